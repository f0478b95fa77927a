# The ironwake server with what machines boot from it (iPXE and the netboot OS), for linux/amd64.
#   docker build -t ironwake .
# NODE_IMAGE may name another image of the same kind: Node in /usr/local with its headers, on Debian 12.
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates g++ make python3 \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/ironwake
# SQLite's binding is compiled here, against the headers of this very Node: nothing but packages is downloaded.
ENV npm_config_build_from_source=better-sqlite3 npm_config_nodedir=/usr/local
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev

FROM build AS boot-files
COPY os ./os
COPY proto ./proto
RUN apt-get update \
  && sed 's/#.*//' os/packages.txt | xargs apt-get install -y --no-install-recommends \
  && os/ipxe.sh /boot-files/ipxe /var/cache/ironwake \
  && os/build.sh /boot-files/os /var/cache/ironwake \
  && rm -rf /var/cache/ironwake /var/lib/apt/lists/*

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="ironwake" \
  org.opencontainers.image.description="Bare-metal provisioning server: DHCP, TFTP, iPXE and HTTP boot, inventory, workflows" \
  org.opencontainers.image.licenses="Apache-2.0"
# The server runs as `node` and needs one right that root has: the ports below 1024. `with-ports` is setpriv with that
# right on its file; it hands the right on to the server and sees to it that no other is ever gained.
RUN apt-get update \
  && apt-get install -y --no-install-recommends libcap2-bin \
  && install -m 0755 /usr/bin/setpriv /usr/local/bin/with-ports \
  && setcap cap_net_bind_service=ep /usr/local/bin/with-ports \
  && apt-get purge -y --auto-remove libcap2-bin \
  && rm -rf /var/lib/apt/lists/* \
  && install -d -o node -g node -m 0700 /data \
  && ln -s /opt/ironwake/dist/main.js /usr/local/bin/ironwake
WORKDIR /opt/ironwake
COPY package.json LICENSE ./
COPY ipxe ./ipxe
COPY os ./os
COPY proto ./proto
COPY workflows ./workflows
COPY --from=build /opt/ironwake/node_modules ./node_modules
COPY --from=build /opt/ironwake/dist ./dist
COPY --from=boot-files /boot-files /boot-files
ENV NODE_ENV=production \
  IRONWAKE_DATA_DIR=/data \
  IRONWAKE_IPXE_DIR=/boot-files/ipxe \
  IRONWAKE_OS_DIR=/boot-files/os
USER node
VOLUME /data
# DHCP, TFTP; boot files and images; metadata, twice; agents; API. DHCP needs the host's network all the same.
EXPOSE 67/udp 69/udp 7171 7172 50061 42113 7443
STOPSIGNAL SIGTERM
# The API listens on the address that machines reach; the kubeconfig says which, and whom to trust.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["node", "-e", "\
  const text = require('fs').readFileSync(process.env.IRONWAKE_DATA_DIR + '/admin.kubeconfig', 'utf8'); \
  const read = (name) => new RegExp('^ *' + name + ': (.+)$', 'm').exec(text)[1]; \
  const ca = Buffer.from(read('certificate-authority-data'), 'base64'); \
  const end = (why) => { console.log(why); process.exit(why === 200 ? 0 : 1) }; \
  require('https').get(read('server') + '/readyz', { ca, timeout: 4000 }, ({ statusCode }) => end(statusCode)) \
    .on('error', ({ message }) => end(message))"]
ENTRYPOINT ["with-ports", "--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service", "--no-new-privs", "ironwake"]
CMD ["serve"]
