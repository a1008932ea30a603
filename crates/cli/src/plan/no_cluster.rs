//! Replacement of `cluster` in builds without the feature `cluster`.

use std::{path::Path, sync::Arc};

use ops::Builtin;
use pool::Executor;

use crate::{
    args::RunOptions,
    error::{RunError, UsageError},
};

/// Uninhabited: without the feature there is no cluster plan.
#[derive(Clone, Debug)]
pub(crate) enum ClusterPlan {}

impl ClusterPlan {
    pub(crate) fn new(_: &RunOptions) -> Result<Option<ClusterPlan>, UsageError> {
        Ok(None)
    }

    pub(crate) fn files_read(&self) -> Vec<(&'static str, &Path)> {
        match *self {}
    }

    pub(crate) fn connect(&self) -> Result<Arc<dyn Executor<Builtin>>, RunError> {
        match *self {}
    }
}
