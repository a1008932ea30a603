//! Converts options and environment variables to a connection.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use cluster::{Connection, Credentials, Error, Queue, Secret, StreamSettings, Tls};

use crate::{
    args::{ServerArguments, StreamArguments},
    error::ClusterUsageError as UsageError,
};

const PASSWORD: &str = ops::SECRET_VARIABLES[0];
const TOKEN: &str = ops::SECRET_VARIABLES[1];

/// Default time limit for connecting.
const TIMEOUT: Duration = Duration::from_secs(10);

impl ServerArguments {
    /// Name of the queue.
    pub(crate) fn queue(&self) -> Result<Queue, UsageError> {
        self.queue.clone().ok_or(UsageError::NoQueue)
    }

    /// Address, credentials and certificates of the servers. Reads the files that contain secrets.
    pub(crate) fn connection(&self) -> Result<Connection, UsageError> {
        let address = self.cluster.as_deref().ok_or(UsageError::NoAddress)?;
        let address = address.parse().map_err(UsageError::Address)?;
        let identity = match (&self.cluster_cert, &self.cluster_key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            _ => return Err(UsageError::HalfIdentity),
        };
        Ok(Connection {
            address,
            credentials: self.credentials()?,
            tls: Tls { ca: self.cluster_ca.clone(), identity },
            timeout: self.cluster_timeout.unwrap_or(TIMEOUT),
        })
    }

    /// Files that were given, with their options.
    pub(super) fn files(&self) -> Vec<(&'static str, PathBuf)> {
        let named = [
            ("--cluster-password-file", &self.cluster_password_file),
            ("--cluster-token-file", &self.cluster_token_file),
            ("--cluster-nkey", &self.cluster_nkey),
            ("--cluster-creds", &self.cluster_creds),
            ("--cluster-ca", &self.cluster_ca),
            ("--cluster-cert", &self.cluster_cert),
            ("--cluster-key", &self.cluster_key),
        ];
        named.into_iter().filter_map(|(option, path)| Some((option, path.clone()?))).collect()
    }

    fn credentials(&self) -> Result<Credentials, UsageError> {
        let password = secret(self.cluster_password_file.as_deref(), PASSWORD)?;
        let token = secret(self.cluster_token_file.as_deref(), TOKEN)?;
        let user = match (&self.cluster_user, password) {
            (Some(user), Some(password)) => Some(Credentials::Password { user: user.clone(), password }),
            (None, None) => None,
            (Some(_), None) => return Err(UsageError::NoPassword),
            (None, Some(_)) => return Err(UsageError::NoUser),
        };
        let nkey = self.cluster_nkey.clone().map(Credentials::Nkey);
        let file = self.cluster_creds.clone().map(Credentials::File);
        let mut given = [user, token.map(Credentials::Token), nkey, file].into_iter().flatten();
        match (given.next(), given.next()) {
            (None, _) => Ok(Credentials::None),
            (Some(one), None) => Ok(one),
            _ => Err(UsageError::ManyCredentials),
        }
    }
}

/// Reads a secret from a file or an environment variable. It is not an option, because command lines are
/// visible to other users.
fn secret(file: Option<&Path>, variable: &str) -> Result<Option<Secret>, UsageError> {
    let Some(path) = file else {
        return Ok(env::var(variable).ok().filter(|text| !text.is_empty()).map(Secret::from));
    };
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).into())),
        Err(error) => {
            Err(UsageError::Secret(Box::new(Error::File { path: path.to_owned(), cause: error.to_string() })))
        }
    }
}

impl StreamArguments {
    /// Settings of the streams of the queue.
    pub(crate) fn settings(&self) -> StreamSettings {
        StreamSettings {
            replicas: usize::from(self.replicas.unwrap_or(1)),
            max_bytes: self.stream_bytes.map(|size| size.0),
        }
    }
}
