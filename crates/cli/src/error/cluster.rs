//! Errors of the options of a cluster.

use cluster::Error;

/// Invalid options of a cluster. The messages never contain a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterUsageError {
    #[error("--cluster is missing; give the URL of the NATS server there or in RUNNER_CLUSTER")]
    NoAddress,
    #[error("--queue is missing; give the name of the queue there or in RUNNER_QUEUE")]
    NoQueue,
    #[error(
        "--cluster (or RUNNER_CLUSTER): {0}; give a user with --cluster-user and RUNNER_CLUSTER_PASSWORD or \
         --cluster-password-file, a token with RUNNER_CLUSTER_TOKEN or --cluster-token-file"
    )]
    Address(cluster::InvalidAddress),
    #[error(
        "--cluster-cert and --cluster-key (or RUNNER_CLUSTER_CERT and RUNNER_CLUSTER_KEY) must be given \
         together"
    )]
    HalfIdentity,
    #[error("--cluster-user needs a password: RUNNER_CLUSTER_PASSWORD or --cluster-password-file")]
    NoPassword,
    #[error(
        "a password is given (RUNNER_CLUSTER_PASSWORD or --cluster-password-file) without a user; give \
         --cluster-user (or RUNNER_CLUSTER_USER)"
    )]
    NoUser,
    #[error(
        "several credentials are given by options or RUNNER_CLUSTER_... variables; give only one of user and \
         password, token, NKey, and credentials file"
    )]
    ManyCredentials,
    #[error(transparent)]
    Secret(Box<Error>),
    #[error(
        "{0} cannot be used with --cluster: it is an option of the nodes (see `runner node --help`) \
         or of local runs"
    )]
    NotForClusters(String),
}
