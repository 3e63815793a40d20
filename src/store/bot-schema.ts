import type { Migration } from '@nostr-dm-agent/kit/sqlite';

/** The bot's own database, `BOT_HOME/bot.db`. Times are Unix milliseconds unless a column says otherwise. */
export const botMigrations: readonly Migration[] = [
  (db) =>
    db.exec(`
      -- Single facts about this database: created_at (ms), last_seen_at (ms; when the bot was last alive), …
      CREATE TABLE meta (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
      ) STRICT;

      -- Gift wraps that were looked at, whatever came of it: a relay that sends one again costs no decryption.
      -- Pruned once they are older than the subscription's window.
      CREATE TABLE seen_wraps (
        id TEXT PRIMARY KEY,
        seen_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX seen_wraps_by_time ON seen_wraps (seen_at);

      -- Inbound DMs of owners. Stored before they are acted on; (sender, id) makes acting exactly-once.
      CREATE TABLE messages (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL,
        sender TEXT NOT NULL,
        protocol TEXT NOT NULL CHECK (protocol IN ('nip17', 'nip04')),
        kind INTEGER NOT NULL,
        text TEXT NOT NULL,
        refs TEXT NOT NULL,                  -- JSON array of event ids
        created_at_s INTEGER NOT NULL,       -- Unix seconds, the sender's
        relay TEXT NOT NULL,
        received_at INTEGER NOT NULL,
        -- received: stored, not acted on yet. acting: a command has begun. done: answered, or it became a run.
        -- missed: too old at catch-up, listed to the owner.
        state TEXT NOT NULL CHECK (state IN ('received', 'acting', 'done', 'missed')),
        UNIQUE (sender, id)
      ) STRICT;
      CREATE INDEX messages_open ON messages (state) WHERE state IN ('received', 'acting');

      -- Messages on their way to somebody. Encrypted already: no reply is stored here in clear.
      CREATE TABLE outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT NOT NULL UNIQUE,     -- what replies refer to: the rumor's id, or that of the kind 4
        recipient TEXT NOT NULL,
        protocol TEXT NOT NULL CHECK (protocol IN ('nip17', 'nip04')),
        content TEXT NOT NULL CHECK (content IN ('text', 'reaction')),
        state TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'undeliverable')),
        attempts INTEGER NOT NULL DEFAULT 0,
        next_at INTEGER,                     -- NULL: nothing is left to be tried
        created_at INTEGER NOT NULL,
        fallback_relays TEXT NOT NULL,       -- JSON array of URLs
        deliveries TEXT NOT NULL DEFAULT '{}', -- JSON object: relay URL -> what it said last
        event TEXT NOT NULL,                 -- JSON: the signed event that is published
        seal TEXT                            -- JSON; nip17 only: wrapped anew for relays that refuse back-dated events
      ) STRICT;
      CREATE INDEX outbox_open ON outbox (next_at, seq, recipient, state) WHERE next_at IS NOT NULL;
      CREATE INDEX outbox_by_state ON outbox (state, content, created_at);

      -- Last created_at (Unix seconds) of a rumor to each peer: clients sort by it, so it only ever rises.
      CREATE TABLE peer_clock (
        peer TEXT PRIMARY KEY,
        created_at_s INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;

      -- Cache of relay lists (kinds 10050 and 10002) of those whom the bot answers.
      CREATE TABLE relay_lists (
        pubkey TEXT NOT NULL,
        kind INTEGER NOT NULL,
        relays TEXT NOT NULL,                -- JSON array of URLs, permitted ones only; empty: has none
        event_created_at_s INTEGER NOT NULL, -- 0: no such list was found
        fresh_until INTEGER NOT NULL,        -- 0: found before all had answered
        PRIMARY KEY (pubkey, kind)
      ) STRICT, WITHOUT ROWID;

      -- Who may command the bot beside those of BOT_OWNERS.
      CREATE TABLE owners (
        pubkey TEXT PRIMARY KEY,
        role TEXT NOT NULL CHECK (role IN ('admin', 'member')),
        added_by TEXT NOT NULL,
        added_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;

      -- Codes with which a stranger becomes a member. What is used, or taken back, stays as a record.
      CREATE TABLE invites (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        hash TEXT NOT NULL UNIQUE,           -- sha256 of the code, hex; the code itself is with whom it was given
        created_by TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        cancelled_at INTEGER,
        used_by TEXT,
        used_at INTEGER
      ) STRICT;
      CREATE INDEX invites_open ON invites (expires_at) WHERE used_by IS NULL AND cancelled_at IS NULL;

      -- What each owner has chosen: session, mode, model, workspace, backend, provider.
      CREATE TABLE settings (
        owner TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (owner, key)
      ) STRICT, WITHOUT ROWID;

      -- Money that goes out when its owner sends the code.
      CREATE TABLE confirmations (
        owner TEXT NOT NULL,
        code TEXT NOT NULL,
        action TEXT NOT NULL,                -- JSON, see confirmations-table.ts
        expires_at INTEGER NOT NULL,
        taken_by TEXT,                       -- id of the message that sent the code; NULL: none yet
        PRIMARY KEY (owner, code)
      ) STRICT, WITHOUT ROWID;

      -- Operations of the wallet whose outcome somebody was promised to be told.
      CREATE TABLE awaited_operations (
        operation TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        protocol TEXT NOT NULL CHECK (protocol IN ('nip17', 'nip04')),
        fallback_relays TEXT NOT NULL,       -- JSON array of URLs
        message TEXT NOT NULL                -- the message that began it
      ) STRICT, WITHOUT ROWID;

      -- Owners' own access to providers of models. What is secret is sealed, see seal.ts.
      CREATE TABLE provider_connections (
        owner TEXT NOT NULL,
        provider TEXT NOT NULL,              -- its id in opencode's catalogue
        kind TEXT NOT NULL CHECK (kind IN ('api', 'oauth', 'wellknown')),
        credential TEXT,                     -- sealed; NULL exactly when it is revoked
        status TEXT NOT NULL CHECK (status IN ('connected', 'expired', 'error', 'revoked')),
        error TEXT,
        used_at INTEGER,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        replacement TEXT,                    -- sealed; another credential that waits for its owner's word
        replacement_at INTEGER,
        PRIMARY KEY (owner, provider),
        CHECK ((credential IS NULL) = (status = 'revoked')),
        CHECK ((replacement IS NULL) = (replacement_at IS NULL))
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        workspace TEXT NOT NULL,             -- its name in BOT_WORKSPACE
        directory TEXT NOT NULL,             -- absolute; opencode hangs when a session is resumed from elsewhere
        backend TEXT NOT NULL,
        mode TEXT NOT NULL CHECK (mode IN ('ask', 'plan', 'agent')),
        model TEXT,
        provider TEXT,
        backend_session TEXT,
        title TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        used_at INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX sessions_of_owner ON sessions (owner, used_at DESC);

      CREATE TABLE runs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        owner TEXT NOT NULL,
        session TEXT NOT NULL REFERENCES sessions (id),
        message TEXT NOT NULL,               -- id of the message that asked for it
        message_kind INTEGER NOT NULL,       -- its kind, for the reaction's k tag
        protocol TEXT NOT NULL CHECK (protocol IN ('nip17', 'nip04')),
        fallback_relays TEXT NOT NULL,       -- JSON array
        task TEXT NOT NULL,
        mode TEXT NOT NULL CHECK (mode IN ('ask', 'plan', 'agent')),
        model TEXT,
        provider TEXT,                       -- who pays; set when the run is prepared
        budget INTEGER,                      -- sat; of this run only (… !!500)
        state TEXT NOT NULL CHECK (state IN ('queued', 'preparing', 'running', 'settling', 'done')),
        outcome TEXT,                        -- see RunOutcome in runs/run.ts
        pid INTEGER,
        answer TEXT,
        result TEXT,                         -- JSON: AgentResult without its answer
        queued_at INTEGER NOT NULL,
        started_at INTEGER,
        ended_at INTEGER
      ) STRICT;
      CREATE INDEX runs_open ON runs (state) WHERE state <> 'done';
      CREATE INDEX runs_of_session ON runs (session, seq DESC);
      CREATE INDEX runs_of_owner ON runs (owner, seq DESC);
    `),
  (db) =>
    db.exec(`
      -- What was too long of the last long reply to each owner, until they ask for it (!more lines).
      CREATE TABLE rests (
        owner TEXT PRIMARY KEY,
        text TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
    `),
  (db) =>
    db.exec(`
      -- Payments of requests whose news are in the outbox, until the wallet knows that, too.
      CREATE TABLE told_payments (
        payment TEXT PRIMARY KEY
      ) STRICT, WITHOUT ROWID;
    `),
  (db) =>
    db.exec(`
      -- 1: that the token is claimed is what is awaited, not that it is made.
      ALTER TABLE awaited_operations ADD COLUMN claim INTEGER NOT NULL DEFAULT 0;
    `),
  (db) =>
    db.exec(`
      -- What its agent asks before it does it: off, commands, all; NULL: the default.
      ALTER TABLE sessions ADD COLUMN approvals TEXT;
      -- task, or compact: the conversation is shortened.
      ALTER TABLE runs ADD COLUMN job TEXT NOT NULL DEFAULT 'task';
      -- When what it changed was taken back (ms); NULL: it stands.
      ALTER TABLE runs ADD COLUMN undone_at INTEGER;
    `),
  (db) =>
    db.exec(`
      -- What was sent of its answer before its end, and in how many messages.
      ALTER TABLE runs ADD COLUMN told TEXT;
      ALTER TABLE runs ADD COLUMN parts INTEGER NOT NULL DEFAULT 0;
    `),
  (db) =>
    db.exec(`
      -- Git work trees of their own that sessions work in (!new --worktree).
      CREATE TABLE worktrees (
        directory TEXT PRIMARY KEY,          -- sessions.directory
        workspace TEXT NOT NULL,             -- directory of the workspace in whose repository it is
        branch TEXT NOT NULL,
        owner TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('making', 'ready', 'gone')),
        merge_from TEXT,                     -- commits; both while the workspace is brought from one to the other
        merge_to TEXT,
        merged_at INTEGER,
        created_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
    `),
  (db) =>
    db.exec(`
      -- Browsers that are in at the operator's page; of their cookies the hash alone.
      CREATE TABLE page_sessions (
        hash TEXT PRIMARY KEY,
        public_key TEXT NOT NULL,
        made_at INTEGER NOT NULL,
        used_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX runs_ended ON runs (ended_at);
    `),
  (db) =>
    db.exec(`
      -- What waits is few of all that was: each question by an index of what waits alone, in its order.
      DROP INDEX runs_open;
      CREATE INDEX runs_open_in_order ON runs (seq, state, session) WHERE state <> 'done';
      CREATE INDEX runs_open_of_owner ON runs (owner, seq, state) WHERE state <> 'done';
      CREATE INDEX runs_open_in_session ON runs (session, seq, state) WHERE state <> 'done';
      CREATE INDEX runs_started ON runs (started_at);
      CREATE INDEX messages_of_sender ON messages (sender, seq);
      DROP INDEX outbox_open;
      CREATE INDEX outbox_due ON outbox (next_at, recipient) WHERE next_at IS NOT NULL;
      CREATE INDEX outbox_open_to ON outbox (recipient, seq, state, next_at) WHERE next_at IS NOT NULL;
    `),
  (db) =>
    db.exec(`
      -- Tasks and reminders at a time. What has ended stays as a record.
      CREATE TABLE schedules (
        id INTEGER PRIMARY KEY AUTOINCREMENT, -- the number that its owner knows it by
        owner TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('task', 'reminder')),
        message TEXT NOT NULL,               -- id of the message that asked for it
        message_kind INTEGER NOT NULL,
        protocol TEXT NOT NULL CHECK (protocol IN ('nip17', 'nip04')),
        fallback_relays TEXT NOT NULL,       -- JSON array
        at TEXT NOT NULL,                    -- JSON: When, see schedules/when.ts
        zone TEXT NOT NULL,
        text TEXT NOT NULL,
        workspace TEXT,                      -- of a task: as in sessions
        backend TEXT,
        mode TEXT CHECK (mode IN ('ask', 'plan', 'agent')),
        model TEXT,
        budget INTEGER,                      -- sat, of each of its runs
        session TEXT,                        -- of its last run
        state TEXT NOT NULL CHECK (state IN ('active', 'paused', 'missed', 'ended')),
        pause TEXT,                          -- why, see schedules/schedule.ts
        next_at INTEGER,                     -- NULL exactly when it is not active
        created_at INTEGER NOT NULL,
        last_at INTEGER,                     -- when it was last done
        runs INTEGER NOT NULL DEFAULT 0,
        quiet INTEGER NOT NULL DEFAULT 0,    -- of these, those with nothing to report
        skipped INTEGER NOT NULL DEFAULT 0,  -- times that came while it still ran, since its last answer
        failures INTEGER NOT NULL DEFAULT 0, -- in a row
        refusals INTEGER NOT NULL DEFAULT 0, -- in a row
        CHECK (state = 'active' OR next_at IS NULL)
      ) STRICT;
      CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;
      CREATE INDEX schedules_of_owner ON schedules (owner) WHERE state <> 'ended';
      ALTER TABLE runs ADD COLUMN schedule INTEGER;
      -- The time of the schedule that it is for (ms); NULL: it was asked for out of turn. Each time is met once, ever.
      ALTER TABLE runs ADD COLUMN due_at INTEGER;
      CREATE UNIQUE INDEX runs_due ON runs (schedule, due_at) WHERE schedule IS NOT NULL;
      CREATE INDEX runs_open_of_schedule ON runs (schedule) WHERE state <> 'done' AND schedule IS NOT NULL;
    `),
  (db) =>
    db.exec(`
      -- Machines that may start their owner's named tasks, and nothing else.
      CREATE TABLE triggers (
        pubkey TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        added_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
    `),
  (db) =>
    db.exec(`
      ALTER TABLE messages ADD COLUMN files TEXT; -- JSON: SharedFile[]; NULL: none came with it
      -- Files that owners sent, kept in the inbox of a workspace until a task takes them.
      CREATE TABLE shared_files (
        id INTEGER PRIMARY KEY,
        owner TEXT NOT NULL,
        message TEXT NOT NULL,               -- id of the message that it came with
        place INTEGER NOT NULL,              -- which of the message's files
        directory TEXT NOT NULL,             -- of the workspace
        path TEXT NOT NULL,                  -- within it
        mime TEXT NOT NULL,
        size INTEGER NOT NULL,               -- bytes
        kept_at INTEGER NOT NULL,
        asked_at INTEGER,                    -- when its owner was asked what to do with it
        run TEXT,                            -- the task that took it; NULL: none yet
        UNIQUE (owner, message, place)
      ) STRICT;
      CREATE INDEX shared_files_waiting ON shared_files (owner) WHERE run IS NULL;
      ALTER TABLE runs ADD COLUMN pictures TEXT; -- JSON: paths that its model is shown; NULL: none
    `),
  (db) =>
    db.exec(`
      -- The owner's wallet that the bot's own is filled from (NIP-47): one at most. See money/auto-top-up.ts.
      CREATE TABLE auto_top_up (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        owner TEXT NOT NULL,
        connection TEXT NOT NULL,            -- sealed; holds the secret
        relays TEXT NOT NULL,                -- JSON array
        cap INTEGER NOT NULL,                -- sat a day
        stopped TEXT,                        -- why nothing is asked any more, until it is set anew
        next_at INTEGER NOT NULL,            -- nothing is asked before (ms)
        failures INTEGER NOT NULL,           -- in a row
        told TEXT,                           -- what its owner was told last that went wrong, and the day
        set_at INTEGER NOT NULL
      ) STRICT;
      -- Its journal. One is open at most: another is begun when it is known what became of this.
      CREATE TABLE auto_top_ups (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        operation TEXT NOT NULL UNIQUE,      -- the wallet's, which has the quote
        owner TEXT NOT NULL,
        amount INTEGER NOT NULL,             -- sat
        invoice TEXT NOT NULL,
        request TEXT NOT NULL,               -- JSON: the signed event
        request_until INTEGER NOT NULL,      -- it is published up to then (ms)
        asked INTEGER NOT NULL,              -- 1: it may have been published
        answer TEXT,                         -- the wallet's word: a code of NIP-47, 'paid' or 'silent'; NULL: none yet
        expires_at INTEGER NOT NULL,         -- of the invoice (ms)
        begun_at INTEGER NOT NULL,
        ended_at INTEGER,
        state TEXT NOT NULL CHECK (state IN ('open', 'paid', 'expired'))
      ) STRICT;
      CREATE UNIQUE INDEX auto_top_ups_open ON auto_top_ups (state) WHERE state = 'open';
      CREATE INDEX auto_top_ups_begun ON auto_top_ups (begun_at);
      CREATE INDEX auto_top_ups_ended ON auto_top_ups (ended_at);
    `),
  (db) =>
    db.exec(`
      -- What the bot has put at file servers, or may have: written before, deleted there when it is due.
      CREATE TABLE uploads (
        server TEXT NOT NULL,
        sha256 TEXT NOT NULL,                -- of the encrypted bytes
        sent INTEGER NOT NULL DEFAULT 0,     -- 1: a message that names it is in the outbox
        delete_at INTEGER NOT NULL,          -- ms
        attempts INTEGER NOT NULL DEFAULT 0, -- to delete it
        PRIMARY KEY (server, sha256)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX uploads_due ON uploads (delete_at);
    `),
  (db) =>
    db.exec(`
      -- Voice notes: what was asked for at the transcription service, and what came of it.
      CREATE TABLE voice_notes (
        id INTEGER PRIMARY KEY,
        owner TEXT NOT NULL,
        message TEXT NOT NULL,               -- id of the message that it came with
        place INTEGER NOT NULL,              -- which of the message's files
        seconds INTEGER NOT NULL,            -- of speech, all attempts together
        attempts INTEGER NOT NULL,           -- requests that may have reached the service
        asked_at INTEGER NOT NULL,           -- the last one
        text TEXT,                           -- what was said, until it was shown; NULL: not known, or shown
        shown INTEGER NOT NULL DEFAULT 0,    -- its owner was shown it, and it is the message's text
        UNIQUE (owner, message, place)
      ) STRICT;
      CREATE INDEX voice_notes_lately ON voice_notes (owner, asked_at);
    `),
  (db) =>
    db.exec(`
      -- Messages that were acted on, or listed, and are no longer kept: the id of each, 32 bytes, for ever.
      CREATE TABLE forgotten_messages (
        id BLOB PRIMARY KEY CHECK (length(id) = 32)
      ) STRICT, WITHOUT ROWID;
    `),
  (db) =>
    db.exec(`
      -- Files on their way to somebody, until a server has them and the message that names it is in the outbox.
      CREATE TABLE outgoing_files (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        recipient TEXT NOT NULL,
        fallback_relays TEXT NOT NULL,       -- JSON array of URLs
        reply_to TEXT,                       -- id of the message that is answered
        sha256 TEXT NOT NULL UNIQUE,         -- of the encrypted bytes, at whichever server
        facts TEXT NOT NULL,                 -- sealed JSON: what it is, and what opens it
        attempts INTEGER NOT NULL DEFAULT 0,
        next_at INTEGER NOT NULL,            -- ms
        body BLOB NOT NULL                   -- encrypted; last, for a row is read from its beginning
      ) STRICT;
      CREATE INDEX outgoing_files_due ON outgoing_files (next_at);
      CREATE INDEX outgoing_files_to ON outgoing_files (recipient);
    `),
  (db) =>
    db.exec(`
      -- Of several commands in one message so many are answered, while it is acted on.
      ALTER TABLE messages ADD COLUMN answered INTEGER NOT NULL DEFAULT 0;
    `),
  (db) =>
    db.exec(`
      -- In the order of their numbers: what was reported last is found without sorting all of them.
      CREATE INDEX runs_of_schedule ON runs (schedule) WHERE schedule IS NOT NULL;
    `),
];
