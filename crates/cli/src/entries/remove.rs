//! `mcp-mtls remove`: takes an entry out of a configuration file.

use std::path::{Path, PathBuf};

use mcp_mtls_core::config;
use mcp_mtls_core::error::{Code, Failure, Result, plain};
use serde_json::json;

use super::{Configuration, in_file, view};
use crate::edit::{Document as _, turn};
use crate::{hosts, render};

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
    let config = config::file_of_flag(args.config.as_deref())?;
    let _turn = turn::wait();
    let mut configuration = Configuration::open(config.as_deref())?;
    let Some(map) = configuration.map_of(&args.name) else {
        return Err(missing(&configuration, &args.name, config.as_deref()));
    };
    let commented = configuration.document.comment_above(&[map, &args.name]);
    let removed = configuration.document.remove(&[map, &args.name]);
    let removed = removed.map_err(|trouble| in_file(trouble, configuration.target.path()))?;
    let Some(comments) = removed else {
        return Err(missing(&configuration, &args.name, config.as_deref()));
    };
    let stays = commented.is_some_and(|above| !comments.iter().any(|comment| comment.ends_with(&above)));
    let backup = configuration.target.replace(configuration.document.text())?;
    let file = configuration.target.path();
    let hosts = hosts::that_start(&args.name, file);
    if args.json {
        render::json(&json!({
            "name": args.name,
            "file": file,
            "backup": backup,
            "comments": comments,
            "commentStays": stays,
            "hosts": hosts,
        }));
    } else {
        let mut told = view::removed(&args.name, file, backup.as_deref(), &comments, stays);
        if !hosts.is_empty() {
            let lines = hosts.iter().map(|host| render::command_line(&["mcp-mtls", "uninstall", host, &args.name], 2));
            told = format!("{told}\nHosts still start it:\n{}", lines.collect::<Vec<_>>().join("\n"));
        }
        render::answer(&told);
    }
    Ok(())
}

fn missing(configuration: &Configuration, name: &str, config: Option<&Path>) -> Failure {
    let place = configuration.told();
    match config::find(name, config) {
        // The machine's file is for whoever runs the machine.
        Ok(entry) => {
            let failure =
                Failure::new(Code::ConfigNoSuchEntry, format!("There is no entry `{}` in your file", plain(name)))
                    .at(place);
            let elsewhere = entry.place().map(ToString::to_string).unwrap_or_default();
            failure.because(format!("It stands in {elsewhere}.")).fix("Name that file with --config FILE.")
        }
        // The file that would have been changed, and not all that are read.
        Err(_) if !configuration.target.exists() => {
            Failure::new(Code::ConfigUnreadable, "There is no configuration file")
                .at(place)
                .fix("Name another one with --config FILE; `mcp-mtls list` tells what there is.")
        }
        Err(failure) if failure.code() == Code::ConfigNoSuchEntry => {
            let facts = failure.facts();
            let told = Failure::new(failure.code(), facts.what.clone()).at(place);
            let told = facts.why.iter().fold(told, Failure::because);
            match facts.fix.iter().find(|fix| fix.starts_with("Did you mean ")) {
                Some(near) => told.fix(near),
                None => told.fix("`mcp-mtls list` tells what there is."),
            }
        }
        Err(failure) => failure,
    }
}
