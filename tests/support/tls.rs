//! Certificates of an authority that nobody else trusts.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// An authority, and what it signed, as files.
pub struct Files {
    dir: TempDir,
}

impl Files {
    /// New ones, for `localhost`.
    pub fn make() -> Self {
        let dir = TempDir::new().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap();
        std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        for name in ["server", "user"] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            let signed = params.signed_by(&key, &issuer).unwrap();
            std::fs::write(dir.path().join(format!("{name}.pem")), signed.pem()).unwrap();
            let key_file = dir.path().join(format!("{name}.key"));
            std::fs::write(key_file, key.serialize_pem()).unwrap();
        }
        Self { dir }
    }

    /// `ca.pem`, `server.pem`, `server.key`, `user.pem`, `user.key`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The same as text.
    pub fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}
