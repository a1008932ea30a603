//! Command lines that cannot be carried out, in words.

use cluster::Error;

/// What is wrong with the options of a cluster. None of the messages repeats what might be a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterMisuse {
    #[error("--cluster is missing: where is the NATS server? (or RUNNER_CLUSTER)")]
    NoAddress,
    #[error("--queue is missing: which queue is it? (or RUNNER_QUEUE)")]
    NoQueue,
    #[error(
        "--cluster (or RUNNER_CLUSTER): {0}; a user is given by --cluster-user and RUNNER_CLUSTER_PASSWORD or --cluster-password-file, a token by \
         RUNNER_CLUSTER_TOKEN or --cluster-token-file"
    )]
    Address(cluster::BadAddress),
    #[error(
        "--cluster-cert and --cluster-key (or RUNNER_CLUSTER_CERT and RUNNER_CLUSTER_KEY) belong together"
    )]
    HalfIdentity,
    #[error("--cluster-user needs a password: RUNNER_CLUSTER_PASSWORD or --cluster-password-file")]
    NoPassword,
    #[error(
        "there is a password (RUNNER_CLUSTER_PASSWORD, or a file) and no user: --cluster-user (or RUNNER_CLUSTER_USER)"
    )]
    NoUser,
    #[error(
        "there are several credentials, by options or by RUNNER_CLUSTER_... variables: choose one of user and password, \
         token, NKey, and credentials file"
    )]
    ManyCredentials,
    #[error(transparent)]
    Secret(Box<Error>),
    #[error(
        "{0} is not for clusters: the nodes decide about that (see `runner node --help`), or it is of local runs only"
    )]
    NotForClusters(String),
}
