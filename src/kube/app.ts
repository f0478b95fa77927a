import type { Http2SecureServer, Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  RouteGenericInterface,
} from 'fastify'
import type { KindInfo } from '../model/kinds.ts'
import type { Attributes } from './attributes.ts'
import type { Caller } from './caller.ts'

/** The server: HTTP/2 over TLS, with HTTP/1.1 for clients that speak no other. */
export type KubeApp = FastifyInstance<
  Http2SecureServer,
  Http2ServerRequest,
  Http2ServerResponse,
  FastifyBaseLogger
>

export type Request<Route extends RouteGenericInterface = RouteGenericInterface> = FastifyRequest<
  Route,
  Http2SecureServer,
  Http2ServerRequest
>

export type Reply = FastifyReply<
  RouteGenericInterface,
  Http2SecureServer,
  Http2ServerRequest,
  Http2ServerResponse
>

declare module 'fastify' {
  interface FastifyContextConfig {
    /** the kind that a route is about */
    info?: KindInfo
    /** answered without credentials */
    open?: boolean
  }
  interface FastifyRequest {
    /** who asks, once known */
    caller: Caller | undefined
    /** what is asked for; not on routes that are open */
    wanted: Attributes | undefined
    /** text of a JSON body */
    bodyText: string | undefined
  }
}
