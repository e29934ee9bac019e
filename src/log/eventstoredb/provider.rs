//! The process-wide provider of TLS primitives, which the `eventstore` crate insists on installing itself.
//!
//! Its first client installs `aws-lc-rs` and panics, for good, where another provider (even the same one) is there
//! already. So whoever needs the provider asks for it here: the crate is made to install it, once, before anybody else.

use std::sync::OnceLock;

use eventstore::{Client, ClientSettings};
use rustls::crypto::CryptoProvider;

/// A client of this address never connects; with no certificates to read, none can be missing.
const NOWHERE: &str = "esdb://127.0.0.1:1?tls=false&tlsCaFile=/dev/null";

/// Turns that the crate's connection task gets to install the provider; it needs one.
const TURNS: usize = 1_000;

/// Somebody else installed a provider first, or the crate did not install one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}: call annals::log::eventstoredb::install_provider before anything else uses TLS")]
pub struct ProviderError(&'static str);

/// Installs the provider that this whole process uses. To be called first thing; calling it again does nothing.
///
/// # Errors
/// Another provider was installed before the first call.
pub fn install_provider() -> Result<(), ProviderError> {
    static INSTALLED: OnceLock<Result<(), ProviderError>> = OnceLock::new();
    INSTALLED.get_or_init(install).clone()
}

fn install() -> Result<(), ProviderError> {
    if CryptoProvider::get_default().is_some() {
        return Err(ProviderError(
            "another provider of TLS primitives is installed",
        ));
    }
    // A thread of its own, since the caller may be inside a runtime.
    let installed = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.is_ok_and(|runtime| runtime.block_on(let_the_crate_install()))
    });
    match installed.join() {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(ProviderError("no provider of TLS primitives was installed")),
    }
}

async fn let_the_crate_install() -> bool {
    let Ok(settings) = NOWHERE.parse::<ClientSettings>() else {
        return false;
    };
    // Its connection task installs the provider, whether or not the rest of the client can be made.
    let _client = Client::new(settings);
    for _ in 0..TURNS {
        if CryptoProvider::get_default().is_some() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}
