//! `annals projections list|check|rebuild|digest`

use std::fmt::Write as _;
use std::time::Duration;

use clap::{Args, Subcommand};
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use uuid::Uuid;

use super::print;
use crate::kernel::{Actor, Role, derived_id};
use crate::ops::cli::Failure;
use crate::ops::client::{CallError, Target};
use crate::ops::clock;
use crate::ops::config::Config;
use crate::ops::keys::OwnKey;
use crate::ops::serve::{catalogue, derived_from};
use crate::projection::{Scope, check, digest, in_force};
use crate::proto::annals::operations::v1::operations_service_client::OperationsServiceClient;
use crate::proto::annals::operations::v1::{
    GetOperationRequest, ListProjectionsRequest, Operation, Projection, RebuildProjectionRequest,
};

/// How often a rebuild is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// How long the token of one call of this verb lives; a rebuild of twenty million events fits.
const TOKEN_LIFE: Duration = Duration::from_hours(6);

/// Arguments of `annals projections`.
#[derive(Debug, Args)]
pub struct ProjectionsArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the read models of a running server, and how far each is
    List {
        /// Wait until every read model has reached the end of its logs
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Check the folders of SQL against the known events, without a server
    Check,
    /// Build read models anew beside the live ones, and swap them in
    Rebuild {
        /// Which read models
        #[arg(required_unless_present = "all")]
        names: Vec<String>,
        /// Every read model, one after the other
        #[arg(long, conflicts_with = "names")]
        all: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Show a digest of every table in the data directory, without a server or beside one that has caught up
    Digest {
        /// Leave out what two logs of the same commands do not share: times and places of recording, codes drawn by
        /// chance, who completed what a crash cut in two
        #[arg(long)]
        commands: bool,
    },
}

/// Does it.
pub async fn run(args: &ProjectionsArgs, config: &Config) -> Result<(), Failure> {
    match &args.what {
        What::Check => check_all(config),
        What::List { target, .. } | What::Rebuild { target, .. } => {
            let Err(failure) = ask(&args.what, target, config).await else {
                return Ok(());
            };
            Err(target.mistaken().await.map_or(failure, Into::into))
        }
        What::Digest { commands } => show_digest(*commands, config),
    }
}

/// What a running server has to be asked for.
async fn ask(what: &What, target: &Target, config: &Config) -> Result<(), Failure> {
    let operator = Operator::connect(target, config).await?;
    match what {
        What::List { wait, .. } => list(*wait, &operator).await,
        What::Rebuild { names, all, .. } => {
            let every = if *all {
                operator.names().await?
            } else {
                Vec::new()
            };
            for name in names.iter().chain(&every) {
                rebuild(name, &operator).await?;
            }
            Ok(())
        }
        What::Check | What::Digest { .. } => Ok(()),
    }
}

fn show_digest(commands: bool, config: &Config) -> Result<(), Failure> {
    let scope = if commands {
        Scope::Commands
    } else {
        Scope::Everything
    };
    let tables = digest(&derived_from(config).join("projections"), scope).map_err(Failure)?;
    for table in &tables {
        print(&format!("{table}\n"))?;
    }
    Ok(())
}

fn check_all(config: &Config) -> Result<(), Failure> {
    let models = in_force(config.projections.as_deref())?;
    let known = catalogue();
    let mut findings = 0;
    for (name, model) in &models {
        let found = check(model, &known);
        if found.is_empty() {
            print(&format!("{name}: ok\n"))?;
        }
        for finding in &found {
            print(&format!("{finding}\n"))?;
        }
        findings += found.len();
    }
    match findings {
        0 => Ok(()),
        1 => Err(Failure("1 finding: correct the file it names".to_owned())),
        many => Err(Failure(format!(
            "{many} findings: correct the files they name"
        ))),
    }
}

async fn list(wait: bool, operator: &Operator) -> Result<(), Failure> {
    loop {
        let request = operator.request(ListProjectionsRequest {});
        let reply = operator.client().list_projections(request).await;
        let projections = reply.map_err(CallError::from)?.into_inner().projections;
        if wait && !projections.iter().all(at_the_end) {
            tokio::time::sleep(ASK_EVERY).await;
            continue;
        }
        let lines: String = projections.iter().map(described).collect();
        return Ok(print(&lines)?);
    }
}

fn at_the_end(projection: &Projection) -> bool {
    projection
        .sources
        .iter()
        .all(|source| source.position >= source.head)
}

fn described(projection: &Projection) -> String {
    let mut line = format!("{:<24} {:<10}", projection.name, projection.state);
    for source in &projection.sources {
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            " {}={}/{}",
            source.service, source.position, source.head
        );
    }
    let _ = writeln!(
        line,
        " parked={} skipped={}",
        projection.parked, projection.skipped
    );
    line
}

async fn rebuild(name: &str, operator: &Operator) -> Result<(), Failure> {
    let request = operator.request(RebuildProjectionRequest {
        name: name.to_owned(),
        request_id: Uuid::now_v7().to_string(),
    });
    let reply = operator.client().rebuild_projection(request).await;
    let mut operation: Operation = reply.map_err(CallError::from)?.into_inner();
    while !operation.done {
        tokio::time::sleep(ASK_EVERY).await;
        let request = operator.request(GetOperationRequest {
            name: operation.name.clone(),
        });
        let reply = operator.client().get_operation(request).await;
        operation = reply.map_err(CallError::from)?.into_inner();
    }
    if operation.error.is_empty() {
        return Ok(print(&format!("{name} rebuilt and live\n"))?);
    }
    Err(Failure(format!(
        "{name} was not rebuilt: {}",
        operation.error
    )))
}

/// A connection on which an operator calls: with the token given, else, where the server's own key lies in the data
/// directory at hand, with one minted for the purpose.
struct Operator {
    channel: Channel,
    authorization: Option<MetadataValue<Ascii>>,
}

impl Operator {
    async fn connect(target: &Target, config: &Config) -> Result<Self, Failure> {
        let mut target = target.clone();
        if target.token.is_none() && config.auth.jwks.is_none() {
            let actor = Actor {
                id: derived_id(&[b"operator"]),
                role: Role::Admin,
            };
            let key = OwnKey::open(&config.data)?;
            target.token = Some(key.mint(actor, clock::now(), TOKEN_LIFE, &config.auth)?);
        }
        Ok(Self {
            channel: target.connect().await?,
            authorization: target.authorization()?,
        })
    }

    /// Of every read model.
    async fn names(&self) -> Result<Vec<String>, Failure> {
        let request = self.request(ListProjectionsRequest {});
        let reply = self.client().list_projections(request).await;
        let projections = reply.map_err(CallError::from)?.into_inner().projections;
        Ok(projections
            .into_iter()
            .map(|projection| projection.name)
            .collect())
    }

    fn client(&self) -> OperationsServiceClient<Channel> {
        OperationsServiceClient::new(self.channel.clone())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request
                .metadata_mut()
                .insert("authorization", authorization.clone());
        }
        request
    }
}
