package sqlite

// migrations are the steps that make the tables, in their order. The number of
// steps that a file has been through is its user_version; a file that is ahead of
// this program is refused. A step that was released is never changed.
func migrations() []string {
	return []string{tables, managed, dialects, deadLetters, isolation, trail, limits}
}

// tables is the first step. Ids are BLOBs of 16 bytes. Times are what timeValue
// makes. Events and attempts are rowid tables: their rows are too long to sit in
// the inner pages of a tree, where WITHOUT ROWID would put them.
const tables = `
CREATE TABLE owners (
	id           TEXT PRIMARY KEY,
	organization TEXT,
	retention    INTEGER NOT NULL,
	version      INTEGER NOT NULL,
	created_at   INTEGER
) WITHOUT ROWID;

CREATE TABLE subscriptions (
	owner           TEXT NOT NULL,
	id              TEXT NOT NULL,
	dialect         TEXT,
	name            TEXT,
	active          INTEGER NOT NULL,
	disabled_reason TEXT,
	filters         TEXT,
	tags            TEXT,
	type            TEXT,
	signing         TEXT,
	schedule        TEXT,
	expires_at      INTEGER,
	created_at      INTEGER,
	updated_at      INTEGER,
	deleted_at      INTEGER,
	version         INTEGER NOT NULL,
	sealed          BLOB,
	PRIMARY KEY (owner, id)
) WITHOUT ROWID;

CREATE TABLE types (
	account TEXT NOT NULL,
	type    TEXT NOT NULL,
	PRIMARY KEY (account, type)
) WITHOUT ROWID;

CREATE TABLE credentials (
	id           TEXT PRIMARY KEY,
	secret_hash  BLOB,
	account      TEXT,
	organization TEXT,
	scopes       TEXT,
	created_at   INTEGER,
	revoked_at   INTEGER
) WITHOUT ROWID;

CREATE TABLE signing_keys (
	id         TEXT PRIMARY KEY,
	public     BLOB,
	sealed     BLOB,
	created_at INTEGER
) WITHOUT ROWID;

CREATE TABLE claims (
	owner      TEXT NOT NULL,
	key        TEXT NOT NULL,
	hash       BLOB,
	event      BLOB NOT NULL,
	expires_at INTEGER,
	PRIMARY KEY (owner, key)
) WITHOUT ROWID;

CREATE TABLE events (
	account      TEXT NOT NULL,
	id           BLOB NOT NULL,
	type         TEXT NOT NULL,
	organization TEXT,
	timestamp    INTEGER,
	expires_at   INTEGER,
	tags         TEXT,
	context      TEXT,
	matches      TEXT,
	retain_until INTEGER,
	data         BLOB,
	PRIMARY KEY (account, id)
);
CREATE INDEX events_by_type ON events (account, type, id);
CREATE INDEX events_by_organization ON events (organization, id, type)
	WHERE organization IS NOT NULL;

CREATE TABLE attempts (
	subscription      TEXT NOT NULL,
	event             BLOB NOT NULL,
	run               INTEGER NOT NULL,
	number            INTEGER NOT NULL,
	owner             TEXT,
	account           TEXT,
	trigger           TEXT,
	until             INTEGER,
	at                INTEGER,
	duration          INTEGER NOT NULL,
	state             TEXT NOT NULL,
	reason            TEXT,
	status_code       INTEGER NOT NULL,
	error_class       TEXT,
	error_message     TEXT,
	response          TEXT,
	target            TEXT,
	next_at           INTEGER,
	carrier           TEXT,
	subscription_type TEXT,
	subscription_name TEXT,
	retain_until      INTEGER,
	due_at            INTEGER,
	PRIMARY KEY (subscription, event, run, number)
);
CREATE INDEX attempts_failed ON attempts (subscription, event, run, number)
	WHERE state <> 'succeeded';
CREATE INDEX attempts_due ON attempts (due_at) WHERE due_at IS NOT NULL;

-- hidden_until: NULL while a worker of this process has the message in hand, 0
-- when it is ready, else the time until which it is hidden. What is handed over
-- at once is in neither index: it costs one insert and one delete.
CREATE TABLE messages (
	queue        TEXT NOT NULL,
	id           BLOB NOT NULL,
	grp          TEXT NOT NULL,
	body         BLOB NOT NULL,
	sent_at      INTEGER NOT NULL,
	receives     INTEGER NOT NULL,
	redriven     INTEGER NOT NULL,
	hidden_until INTEGER,
	PRIMARY KEY (queue, id)
) WITHOUT ROWID;
CREATE INDEX messages_ready ON messages (queue, grp, id) WHERE hidden_until = 0;
CREATE INDEX messages_hidden ON messages (queue, hidden_until) WHERE hidden_until > 0;

CREATE TABLE dead_letters (
	queue   TEXT NOT NULL,
	id      BLOB NOT NULL,
	grp     TEXT NOT NULL,
	body    BLOB NOT NULL,
	sent_at INTEGER NOT NULL,
	dead_at INTEGER NOT NULL,
	PRIMARY KEY (queue, id)
) WITHOUT ROWID;
`

// managed is what the whole management API stands on: privileged subscriptions,
// registered types, the credentials of an account, and replays.
const managed = `
ALTER TABLE subscriptions ADD COLUMN include_internal INTEGER NOT NULL DEFAULT 0;
ALTER TABLE subscriptions ADD COLUMN global INTEGER NOT NULL DEFAULT 0;
CREATE INDEX subscriptions_global ON subscriptions (owner, id) WHERE global;

ALTER TABLE events ADD COLUMN internal INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN mock INTEGER NOT NULL DEFAULT 0;
CREATE INDEX events_by_organization_type ON events (organization, type, id)
	WHERE organization IS NOT NULL;

CREATE TABLE definitions (
	account     TEXT NOT NULL,
	type        TEXT NOT NULL,
	description TEXT,
	internal    INTEGER NOT NULL,
	example     TEXT,
	schema      TEXT,
	validation  TEXT,
	created_at  INTEGER,
	updated_at  INTEGER,
	PRIMARY KEY (account, type)
) WITHOUT ROWID;

ALTER TABLE credentials ADD COLUMN name TEXT;
CREATE INDEX credentials_by_account ON credentials (account, id);

-- replay: the replay that started the run, NULL for none.
ALTER TABLE attempts ADD COLUMN replay BLOB;

-- body is the replay as JSON; what queries ask for has columns of its own.
CREATE TABLE replays (
	owner        TEXT NOT NULL,
	id           BLOB NOT NULL,
	running      INTEGER NOT NULL,
	version      INTEGER NOT NULL,
	retain_until INTEGER,
	body         TEXT NOT NULL,
	PRIMARY KEY (owner, id)
) WITHOUT ROWID;
CREATE INDEX replays_running ON replays (owner, id) WHERE running;
`

// dialects is what the dialects beside the native one stand on.
const dialects = `
ALTER TABLE subscriptions ADD COLUMN tenant TEXT;
ALTER TABLE subscriptions ADD COLUMN description TEXT;
ALTER TABLE subscriptions ADD COLUMN backoff TEXT;
ALTER TABLE subscriptions ADD COLUMN translate INTEGER NOT NULL DEFAULT 0;
ALTER TABLE subscriptions ADD COLUMN format TEXT;

ALTER TABLE credentials ADD COLUMN tenant TEXT;

-- use: what the key signs, NULL for access tokens.
ALTER TABLE signing_keys ADD COLUMN use TEXT;

-- units: what hermod.FormatUnits makes, NULL for none. The index holds all that a
-- sum of units needs.
ALTER TABLE events ADD COLUMN subject TEXT;
ALTER TABLE events ADD COLUMN units TEXT;
CREATE INDEX events_by_subject ON events (account, subject, id) WHERE subject IS NOT NULL;
CREATE INDEX events_with_units ON events (account, id, units, retain_until) WHERE units IS NOT NULL;

-- n units of a kind and level in the span milliseconds from start on, of events
-- of which the first is forgotten at retain_until.
CREATE TABLE usage (
	account      TEXT NOT NULL,
	span         INTEGER NOT NULL,
	start        INTEGER NOT NULL,
	kind         TEXT NOT NULL,
	level        INTEGER NOT NULL,
	n            INTEGER NOT NULL,
	retain_until INTEGER,
	PRIMARY KEY (account, span, start, kind, level)
) WITHOUT ROWID;
`

// deadLetters is the index of what ended dead. dead_at: when, NULL for what is out of
// the index.
const deadLetters = `
ALTER TABLE attempts ADD COLUMN dead_at INTEGER;
UPDATE attempts SET dead_at = coalesce(at, 0) WHERE state = 'dead';
CREATE INDEX attempts_dead ON attempts (subscription, dead_at, event, run, number)
	WHERE dead_at IS NOT NULL;
`

// isolation is what keeps endpoints that fail from their neighbours. body is the health
// as JSON, message the message as JSON; after is the number of the row that a parked
// delivery waits after, 0 for none.
const isolation = `
CREATE TABLE health (
	owner        TEXT NOT NULL,
	subscription TEXT NOT NULL,
	body         TEXT NOT NULL,
	PRIMARY KEY (owner, subscription)
) WITHOUT ROWID;

CREATE TABLE parked (
	subscription TEXT NOT NULL,
	event        BLOB NOT NULL,
	run          INTEGER NOT NULL,
	after        INTEGER NOT NULL,
	message      TEXT NOT NULL,
	token        TEXT NOT NULL,
	wake_at      INTEGER NOT NULL,
	PRIMARY KEY (subscription, event, run, after)
) WITHOUT ROWID;
CREATE INDEX parked_due ON parked (wake_at);
`

// trail is who changed what. body is the change as JSON; what queries ask for has columns
// of its own.
const trail = `
CREATE TABLE audit (
	owner  TEXT NOT NULL,
	id     BLOB NOT NULL,
	action TEXT NOT NULL,
	target TEXT NOT NULL,
	body   TEXT NOT NULL,
	PRIMARY KEY (owner, id)
) WITHOUT ROWID;

-- retain_until: when the tombstone is forgotten, NULL for what is not deleted. Those that
-- were deleted before have the usual retention, in nanoseconds.
ALTER TABLE subscriptions ADD COLUMN retain_until INTEGER;
UPDATE subscriptions SET retain_until = deleted_at + 60 * 86400 * 1000000000 WHERE deleted_at IS NOT NULL;
CREATE INDEX subscriptions_ended ON subscriptions (retain_until) WHERE retain_until IS NOT NULL;
`

// limits is how many deliveries a subscription takes a second, 0 for any number.
const limits = `
ALTER TABLE subscriptions ADD COLUMN rate_limit INTEGER NOT NULL DEFAULT 0;
`
