//! `mcp-mtls remove`: takes an entry out of a configuration file.

use std::path::PathBuf;

use mcp_mtls_core::config;
use mcp_mtls_core::error::{Code, Failure, Result};
use serde_json::json;

use super::{Configuration, in_file, view};
use crate::render;

#[derive(clap::Args)]
pub(crate) struct RemoveArgs {
    /// The entry.
    name: String,

    /// Configuration file to change instead of yours.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Answer in JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &RemoveArgs) -> Result<()> {
    let mut configuration = Configuration::open(args.config.as_deref())?;
    let Some(map) = configuration.map_of(&args.name) else { return Err(missing(&configuration, args)) };
    let removed = configuration.document.remove(&[map, &args.name]);
    let removed = removed.map_err(|trouble| in_file(trouble, configuration.target.path()))?;
    let Some(comments) = removed else { return Err(missing(&configuration, args)) };
    let backup = configuration.target.replace(configuration.document.text())?;
    let file = configuration.target.path();
    if args.json {
        render::json(&json!({ "name": args.name, "file": file, "backup": backup, "comments": comments }));
    } else {
        render::answer(&view::removed(&args.name, file, backup.as_deref(), &comments));
    }
    Ok(())
}

fn missing(configuration: &Configuration, args: &RemoveArgs) -> Failure {
    let place = configuration.told();
    match config::find(&args.name, args.config.as_deref()) {
        // The machine's file is for whoever runs the machine.
        Ok(entry) => {
            let failure =
                Failure::new(Code::ConfigNoSuchEntry, format!("There is no entry `{}` in your file", args.name))
                    .at(place);
            let elsewhere = entry.place().map(ToString::to_string).unwrap_or_default();
            failure.because(format!("It stands in {elsewhere}.")).fix("Name that file with --config FILE.")
        }
        Err(failure) => failure,
    }
}
