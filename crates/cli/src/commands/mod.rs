//! Subcommands other than `runner each`, and `--dry-run`.
//!
//! | file | command |
//! |---|---|
//! | `advise` | `runner advise` |
//! | `bench` | `runner bench` |
//! | `cluster` | `runner node` and `runner cluster` |
//! | `dry_run` | `--dry-run` |
//! | `packaging` | `runner completions` and `runner man` |
//! | `signals` | signals in commands that have nothing to finish |
//!
//! `runner factor` and `runner gcd` are in the crate `coreutils`. Builds without the feature `cluster` use
//! `no_cluster` instead of `cluster`.

mod advise;
mod bench;
#[cfg_attr(not(feature = "cluster"), path = "no_cluster.rs")]
mod cluster;
mod dry_run;
mod packaging;
mod signals;

pub(crate) use self::{
    advise::advise, bench::bench, cluster::cluster, dry_run::dry_run, packaging::print_packaging,
};
