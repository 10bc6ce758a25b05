//! Plays all scenarios with both engines and prints Markdown.

use anyhow::{Result, bail};
use lexopt::prelude::*;
use webrtc_bench::losses::Losses;
use webrtc_bench::pair::Maker;
use webrtc_bench::rows::EXPERIMENTS;
use webrtc_bench::table::{self, Table};

struct Options {
    rounds: usize,
    /// Experiments to make; all when there are none.
    only: Vec<String>,
    makers: Vec<Maker>,
}

fn main() -> Result<()> {
    let options = parse()?;
    let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|o| o == name);
    let mut table = Table::default();
    let mut losses = Losses::default();
    for round in 0..options.rounds {
        for experiment in EXPERIMENTS.iter().filter(|experiment| wanted(experiment.name)) {
            for &maker in &options.makers {
                eprintln!("round {}, {}, {maker}", round + 1, experiment.name);
                table.add(experiment.name, maker, (experiment.measure)(maker));
            }
        }
        if wanted("loss") {
            eprintln!("round {}, loss", round + 1);
            losses.measure(&options.makers, round as u64);
        }
    }
    table.print(&options.makers);
    losses.print(&options.makers);
    table::print_machine(options.rounds);
    Ok(())
}

fn parse() -> Result<Options> {
    let mut options = Options { rounds: 3, only: Vec::new(), makers: Maker::ALL.into() };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("rounds") => options.rounds = arguments.value()?.parse()?,
            Long("only") => options.only.push(arguments.value()?.string()?),
            Long("engine") => {
                options.makers = match arguments.value()?.string()?.as_str() {
                    "ours" => vec![Maker::Ours],
                    "libdatachannel" => vec![Maker::LibDataChannel],
                    other => bail!("there is no engine \"{other}\""),
                }
            }
            _ => return Err(argument.unexpected().into()),
        }
    }
    Ok(options)
}
