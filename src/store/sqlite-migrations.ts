import type { Database } from 'better-sqlite3'
import { AppError } from '../model/error.ts'

/** Marks the file as ours: "irwk". */
const applicationId = 0x6972776b

/**
 * Schema steps; the index of the last one applied, plus one, is the file's `user_version`. Steps are never changed,
 * only added. `objects.json` and `history.json` hold the object without its resourceVersion, which is in the column.
 * Each state of an object is there once: the present one in `objects`; one that write `until` put an end to (a change,
 * or a delete) in `history`, for as long as the history reaches.
 */
export const migrations: readonly string[] = [
  `CREATE TABLE objects (
     kind TEXT NOT NULL,
     namespace TEXT NOT NULL,
     name TEXT NOT NULL,
     version INTEGER NOT NULL,
     json TEXT NOT NULL,
     PRIMARY KEY (kind, namespace, name)
   ) STRICT;
   CREATE TABLE events (
     version INTEGER PRIMARY KEY,
     type TEXT NOT NULL CHECK (type IN ('put', 'delete')),
     size INTEGER NOT NULL,
     previousVersion INTEGER,
     json TEXT NOT NULL,
     previousJson TEXT
   ) STRICT;
   CREATE TABLE side (
     side TEXT NOT NULL,
     key TEXT NOT NULL,
     json TEXT NOT NULL,
     PRIMARY KEY (side, key)
   ) STRICT;`,
  `ALTER TABLE events ADD COLUMN kind TEXT NOT NULL DEFAULT '';
   ALTER TABLE events ADD COLUMN namespace TEXT NOT NULL DEFAULT '';
   ALTER TABLE events ADD COLUMN name TEXT NOT NULL DEFAULT '';
   UPDATE events SET
     kind = json_extract(json, '$.kind'),
     namespace = json_extract(json, '$.metadata.namespace'),
     name = json_extract(json, '$.metadata.name');
   CREATE INDEX eventsByObject ON events (kind, version, namespace, name);`,
  `CREATE TABLE history (
     until INTEGER PRIMARY KEY,
     version INTEGER NOT NULL,
     type TEXT NOT NULL CHECK (type IN ('put', 'delete')),
     size INTEGER NOT NULL,
     kind TEXT NOT NULL,
     namespace TEXT NOT NULL,
     name TEXT NOT NULL,
     json TEXT NOT NULL
   ) STRICT;
   INSERT INTO history
     SELECT version, previousVersion, type, length(previousJson), kind, namespace, name, previousJson
     FROM events WHERE previousVersion IS NOT NULL;
   CREATE TABLE historyFloor (version INTEGER NOT NULL) STRICT;
   INSERT INTO historyFloor SELECT coalesce(min(version), 1) - 1 FROM events;
   DROP TABLE events;
   CREATE INDEX historyByVersion ON history (version);
   CREATE INDEX historyByObject ON history (kind, namespace, name, until);
   CREATE INDEX objectsByVersion ON objects (version);`,
]

/**
 * Brings the file's schema up to date, in one transaction.
 * @throws AppError FailedPrecondition when the file belongs to another program or to a newer version of this one
 */
export function migrate(db: Database): void {
  const run = db.transaction(() => {
    const found = Number(db.pragma('user_version', { simple: true }))
    refuseForeign(db, found)
    for (const step of migrations.slice(found)) db.exec(step)
    db.pragma(`application_id = ${applicationId}`)
    db.pragma(`user_version = ${migrations.length}`)
  })
  run.immediate()
}

function refuseForeign(db: Database, found: number): void {
  const owner = Number(db.pragma('application_id', { simple: true }))
  const tables = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get()
  const empty = owner === 0 && found === 0 && tables === 0
  if (owner !== applicationId && !empty) {
    throw new AppError('FailedPrecondition', `${db.name} is a database of another program`)
  }
  if (found > migrations.length) {
    const known = `this program knows versions up to ${migrations.length}`
    throw new AppError(
      'FailedPrecondition',
      `${db.name} has schema version ${found}; ${known}: run the newer program`,
    )
  }
}
