//! A real `annals serve` process on a free port of the loopback.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use uuid::Uuid;

/// How long a server may take to say that it listens, or to stop. Far above what it needs: only a hang reaches it.
const PATIENCE: Duration = Duration::from_mins(1);

/// A channel that sends a token with every call.
pub type Authenticated = InterceptedService<Channel, Bearer>;

/// Adds `authorization: Bearer <token>`.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// A running server. Dropping it kills it.
pub struct Server {
    child: Child,
    /// `127.0.0.1:<port>`.
    pub address: String,
    data: PathBuf,
}

impl Server {
    /// The binary under test.
    pub fn binary() -> &'static str {
        env!("CARGO_BIN_EXE_annals")
    }

    /// The same, without the variables that are the tests' own: they are no settings.
    pub fn command() -> Command {
        Self::command_of(Path::new(Self::binary()))
    }

    /// The same of a copy of the program.
    pub fn command_of(program: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ANNALS_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Starts on `data` and waits until it listens.
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// Starts with more environment, such as fail points. A fail point that panics ends the whole process.
    pub fn start_env(data: &Path, environment: &[(&str, &str)]) -> Self {
        Self::launch(data, &[], environment)
    }

    /// Starts with more arguments, such as `--set limits.page_size_max=10`.
    pub fn start_with(data: &Path, arguments: &[&str]) -> Self {
        Self::launch(data, arguments, &[])
    }

    /// `annals log serve` on one log, with more environment.
    pub fn start_log(data: &Path, environment: &[(&str, &str)]) -> Self {
        Self::launch_verb(&["log", "serve"], data, &[], environment)
    }

    fn launch(data: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::launch_verb(&["serve"], data, arguments, environment)
    }

    fn launch_verb(
        verb: &[&str],
        data: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut child = Self::command()
            .args(verb)
            .arg("--data")
            .arg(data)
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            // Of the tests, not settings of the server.
            .env_remove("ANNALS_FULL")
            .env_remove("ANNALS_TEST_ESDB")
            .env_remove("ANNALS_TEST_LOG")
            .env("FAILPOINTS_ABORT", "1")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(if std::env::var_os("ANNALS_TEST_LOG").is_some() {
                Stdio::inherit()
            } else {
                Stdio::null()
            })
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().expect("stdout is piped");
        let (say, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listening on ") {
                    let _ = say.send(
                        address
                            .split_whitespace()
                            .next()
                            .unwrap_or_default()
                            .to_owned(),
                    );
                }
            }
        });
        let address = heard
            .recv_timeout(PATIENCE)
            .expect("the server says where it listens");
        Self {
            child,
            address,
            data: data.to_path_buf(),
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no goodbye.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// SIGTERM, and waits for the drained end.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .expect("kill exists");
        assert!(sent.success());
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
    }

    /// Whether the process is gone.
    pub fn has_ended(&mut self) -> bool {
        // A process that dies closes its sockets a moment before it can be waited for.
        (0..100).any(|_| {
            let ended = self.child.try_wait().expect("it is ours").is_some();
            if !ended {
                std::thread::sleep(Duration::from_millis(20));
            }
            ended
        })
    }

    /// A token of this server's own key.
    pub fn token(&self, role: &str, subject: Uuid) -> String {
        let minted = Self::command()
            .args(["token", "mint", "--data"])
            .arg(&self.data)
            .args(["--role", role, "--subject", &subject.to_string()])
            .output()
            .expect("the binary starts");
        assert!(
            minted.status.success(),
            "{}",
            String::from_utf8_lossy(&minted.stderr)
        );
        String::from_utf8(minted.stdout)
            .expect("a token is text")
            .trim()
            .to_owned()
    }

    /// A new connection with `token`; none where the server is gone.
    pub async fn try_caller(&self, token: &str) -> Option<Authenticated> {
        let endpoint =
            Endpoint::from_shared(format!("http://{}", self.address)).expect("an address");
        let channel = endpoint.tcp_nodelay(true).connect().await.ok()?;
        Some(with_token(channel, token))
    }

    /// A new connection.
    pub async fn connect(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address))
            .expect("an address")
            .tcp_nodelay(true)
            .connect()
            .await
            .expect("the server accepts")
    }

    /// A new connection of this caller.
    pub async fn caller(&self, role: &str, subject: Uuid) -> Authenticated {
        with_token(self.connect().await, &self.token(role, subject))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `channel`, sending `token`.
pub fn with_token(channel: Channel, token: &str) -> Authenticated {
    let value = format!("Bearer {token}").parse().expect("a token is ASCII");
    InterceptedService::new(channel, Bearer(value))
}
