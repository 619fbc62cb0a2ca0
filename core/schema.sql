-- The tables of sgdlab.db, schema version 2. store.c runs this once in a new file and then sets application_id and
-- user_version. 64-bit unsigned numbers (seeds, steps) are stored as SQLite's signed integers with the same bits; doubles in
-- blobs are little-endian IEEE 754, integers in blobs little-endian and 64 bits wide. Times are milliseconds since 1970 (UTC).

-- One process that wrote here: program, machine, settings of the build. environment is JSON. key makes merging idempotent.
CREATE TABLE session (
    id          INTEGER PRIMARY KEY,
    key         BLOB NOT NULL UNIQUE,
    started     INTEGER NOT NULL,
    ended       INTEGER NOT NULL, -- its last commit
    environment TEXT NOT NULL
);

-- Curves that many cells share, stored once each: recorded steps, sample gradients used, learning rates. hash is SHA-256.
CREATE TABLE series (
    id   INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    data BLOB NOT NULL
);

CREATE TABLE data (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    checksum TEXT NOT NULL, -- SHA-256 of the source
    n        INTEGER NOT NULL,
    d        INTEGER NOT NULL,
    n_test   INTEGER NOT NULL,
    nnz      INTEGER NOT NULL,
    UNIQUE (checksum, name, n, d, n_test, nnz)
);

-- The certified optimum of an objective. hash is SHA-256 over the other columns.
CREATE TABLE reference (
    id         INTEGER PRIMARY KEY,
    hash       BLOB NOT NULL UNIQUE,
    found      INTEGER NOT NULL, -- 0: there is no finite optimum, see reason
    reason     TEXT NOT NULL,
    method     TEXT NOT NULL,
    f          REAL,
    gap        REAL, -- f - f* <= gap
    smoothness REAL, -- L, may be infinite
    convexity  REAL  -- mu
);

-- One configuration without seed and replicate. A unit of it, one row of `run`, is one run, or a group of replicates whose moments
-- were kept (`keep: moments`). config is the canonical text that key is the hash of; the other columns are read off from it.
CREATE TABLE cell (
    id         INTEGER PRIMARY KEY,
    key        BLOB NOT NULL UNIQUE,
    config     TEXT NOT NULL,
    kind       INTEGER NOT NULL, -- enum run_kind: 0 training, 1 estimator
    chains     INTEGER NOT NULL, -- replicates of one unit: 1, or 64 under `keep: moments`
    problem    TEXT NOT NULL,
    sampling   TEXT NOT NULL,
    batch_size INTEGER NOT NULL,
    schedule   TEXT NOT NULL,
    rate       REAL,
    "update"   TEXT NOT NULL,
    momentum   REAL,
    averaging  TEXT NOT NULL,
    l2         REAL,
    steps      INTEGER NOT NULL,
    n          INTEGER NOT NULL,
    d          INTEGER NOT NULL,
    metrics    INTEGER NOT NULL, -- bits 1 << enum metric: what was asked
    data       INTEGER NOT NULL REFERENCES data,
    reference  INTEGER REFERENCES reference, -- NULL: not solved when the plan was registered
    grid       INTEGER NOT NULL REFERENCES series, -- recorded steps, 64-bit integers
    samples    INTEGER NOT NULL REFERENCES series, -- sample gradients used before each recorded step, 64-bit integers
    rates      INTEGER NOT NULL REFERENCES series  -- learning rate at each recorded step, doubles
);

-- The last plan of each experiment. planned and plan_hash decide which of two plans is the later one when stores are merged.
CREATE TABLE experiment (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    question   TEXT NOT NULL,
    config     TEXT NOT NULL, -- the YAML text as read
    settings   TEXT NOT NULL, -- JSON: every effective setting
    axes       TEXT NOT NULL, -- JSON: dotted paths of the sweep
    figures    TEXT NOT NULL, -- JSON: entries of `figures:`
    cells      INTEGER NOT NULL,
    replicates INTEGER NOT NULL,
    seed       INTEGER NOT NULL,
    planned    INTEGER NOT NULL,
    plan_hash  BLOB NOT NULL -- SHA-256 over this row and the keys of its cells
);

-- Which cells an experiment asks for, in its own order. A cell that an experiment meets several times (full with five batch
-- sizes) stays at its first position.
CREATE TABLE membership (
    experiment INTEGER NOT NULL REFERENCES experiment,
    position   INTEGER NOT NULL,
    cell       INTEGER NOT NULL REFERENCES cell,
    PRIMARY KEY (experiment, position),
    UNIQUE (experiment, cell)
) WITHOUT ROWID;

-- One run that was done, or one group of replicates replicate .. replicate + chains - 1. key covers the cell's key, seed and
-- replicate, and of a group also chains: the last group of an experiment may be short (chains = min(cell.chains, replicates -
-- replicate)) and stays beside the full one that a later plan with more replicates asks for.
CREATE TABLE run (
    id              INTEGER PRIMARY KEY,
    key             BLOB NOT NULL UNIQUE,
    cell            INTEGER NOT NULL REFERENCES cell,
    seed            INTEGER NOT NULL,
    replicate       INTEGER NOT NULL,
    chains          INTEGER NOT NULL,
    diverged        INTEGER NOT NULL, -- how many of the chains diverged
    diverged_at     INTEGER,          -- step at which the first was seen to have left; NULL where none has
    points          INTEGER NOT NULL, -- recorded points; of a run up to the divergence
    train_seconds   REAL,             -- of all chains together; of a group measuring included
    measure_seconds REAL,             -- NULL of a group
    lanes           INTEGER NOT NULL,
    session         INTEGER NOT NULL REFERENCES session,
    UNIQUE (cell, seed, replicate, chains)
);

-- One curve of a run or group: id = 64 * run.id + number, number = enum metric, or 63 for training seconds. data: run.points doubles;
-- of a group's metric 4 * run.points doubles: the means over its chains, then the sums of the second, third and fourth powers of the
-- deviations from them. 62: of a group in which a chain diverged, the number of chains that had not, 64-bit integers.
CREATE TABLE curve (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
);

-- What an estimator run found (estimator.h). direction: variance, predicted variance and standard error of each direction;
-- covariance: the measured matrix and then the predicted one, row-major; lag: of a velocity, autocorrelation, predicted one and
-- standard error at each lag.
CREATE TABLE estimator (
    run                       INTEGER PRIMARY KEY REFERENCES run,
    draws                     INTEGER NOT NULL,
    gradient_norm2            REAL,
    sigma2                    REAL,
    kappa                     REAL,
    predicted                 REAL,
    variance                  REAL,
    variance_se               REAL,
    bias_statistic            REAL,
    bias_df                   REAL,
    bias_p                    REAL,
    bias_along_gradient       REAL,
    bias_along_gradient_se    REAL,
    direction                 BLOB NOT NULL,
    covariance                BLOB NOT NULL,
    lag                       BLOB NOT NULL
);

-- Runs that could not be done, with the reason; a row goes when the run is done.
CREATE TABLE failure (
    cell      INTEGER NOT NULL REFERENCES cell,
    seed      INTEGER NOT NULL,
    replicate INTEGER NOT NULL,
    failed    INTEGER NOT NULL, -- when
    reason    TEXT NOT NULL,
    PRIMARY KEY (cell, seed, replicate)
) WITHOUT ROWID;
