//! How reports look to people.

use mcp_mtls_core::doctor::{Report, State, Step};
use mcp_mtls_core::error::{Failure, printable};

use crate::render::{self, Ink, Paint};

/// The reports one after the other, each with its verdict; of several also how many are well.
pub(super) fn text(reports: &[Report], paint: Paint) -> String {
    let mut blocks: Vec<_> = reports.iter().map(|report| one(report, paint)).collect();
    let examined = reports.iter().filter(|report| report.healthy.is_some()).count();
    if reports.len() > 1 {
        let healthy = reports.iter().filter(|report| report.healthy == Some(true)).count();
        blocks.push(format!("{healthy} of {examined} entries are healthy."));
    }
    blocks.join("\n\n")
}

fn one(report: &Report, paint: Paint) -> String {
    let title = title(report);
    if report.healthy.is_none() {
        return format!("{}: disabled, not examined.", paint.ink(Ink::Strong, &title));
    }
    let mut lines = vec![match (&report.name, &report.url) {
        (Some(_), Some(url)) => format!("{}  {}", paint.ink(Ink::Strong, &title), printable(url)),
        _ => paint.ink(Ink::Strong, &title).into_owned(),
    }];
    let mut rest = report.steps.as_slice();
    while let [first, behind @ ..] = rest {
        // Those with nothing to tell share a line.
        let alike = if first.state == State::NotReached && first.facts.is_empty() {
            behind.iter().take_while(|step| step.state == first.state && step.facts.is_empty()).count()
        } else {
            0
        };
        let (of_line, behind) = rest.split_at(alike + 1);
        lines.push(steps(of_line, paint));
        rest = behind;
    }
    lines.push(String::new());
    lines.push(verdict(report, &title, paint));
    lines.join("\n")
}

/// One step with what is known of it, or several without.
fn steps(steps: &[Step], paint: Paint) -> String {
    let Some(step) = steps.first() else { return String::new() };
    let ink = match step.state {
        State::Ok => Ink::Good,
        State::Warning => Ink::Warning,
        State::Failed => Ink::Bad,
        _ => Ink::Faint,
    };
    let names: Vec<_> = steps.iter().map(|step| step.stage.title()).collect();
    let mark = format!("  {:<MARK$}", step.state.title());
    let mut texts = step.facts.iter().flat_map(|fact| &fact.text);
    let head = match texts.next() {
        Some(first) => format!("{}: {}", names.join(", "), printable(first)),
        None => names.join(", "),
    };
    let mut lines = vec![render::beside(&paint.ink(ink, &mark), mark.len() + HANGING, &head)];
    lines.extend(texts.map(|text| render::wrapped(&printable(text), mark.len() + HANGING)));
    lines.extend(step.notes.iter().map(|note| render::labelled("note", Ink::Warning, &printable(note), 4, paint)));
    lines
        .extend(step.warnings.iter().map(|warning| render::failure_within("warning", Ink::Warning, warning, 4, paint)));
    lines.extend(step.failure.iter().map(|failure| render::failure_within("error", Ink::Bad, failure, 4, paint)));
    lines.join("\n")
}

fn verdict(report: &Report, title: &str, paint: Paint) -> String {
    let warnings: usize = report.steps.iter().map(|step| step.warnings.len() + step.notes.len()).sum();
    let also = match warnings {
        0 => String::new(),
        1 => ", with one warning; see above".to_owned(),
        many => format!(", with {many} warnings; see above"),
    };
    match report.broken() {
        None => {
            let ink = if warnings == 0 { Ink::Good } else { Ink::Warning };
            paint.ink(ink, &format!("{title} is healthy{also}.")).into_owned()
        }
        Some(step) => {
            let code = step.failure.as_ref().map(Failure::code).map_or_else(String::new, |code| format!(" ({code})"));
            paint
                .ink(Ink::Bad, &format!("{title}: the step {} failed{code}; see above.", step.stage.title()))
                .into_owned()
        }
    }
}

/// The name of the entry, else its URL.
fn title(report: &Report) -> String {
    let title = report.name.as_deref().or(report.url.as_deref());
    printable(title.unwrap_or("The configuration"))
}

/// The width of the longest mark, and how far what follows the first words is behind it.
const MARK: usize = 12;
const HANGING: usize = 2;
