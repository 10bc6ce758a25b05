//! How figures of many rounds are written down.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use crate::pair::Maker;

/// One thing that was measured once.
pub struct Figure {
    label: String,
    value: f64,
    /// Whether more is better.
    more: bool,
}

impl Figure {
    /// Where less is better.
    pub fn less(label: &str, value: f64) -> Self {
        Self { label: label.to_owned(), value, more: false }
    }

    /// Where more is better.
    pub fn more(label: &str, value: f64) -> Self {
        Self { label: label.to_owned(), value, more: true }
    }
}

/// The figures of all rounds, in the order in which they first came.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    failures: Vec<String>,
}

struct Row {
    experiment: &'static str,
    label: String,
    more: bool,
    values: BTreeMap<Maker, Vec<f64>>,
}

impl Table {
    pub fn add(
        &mut self,
        experiment: &'static str,
        maker: Maker,
        outcome: anyhow::Result<Vec<Figure>>,
    ) {
        match outcome {
            Ok(figures) => self.add_figures(experiment, maker, figures),
            Err(error) => self.failures.push(format!("{maker}, {experiment}: {error:#}")),
        }
    }

    fn add_figures(&mut self, experiment: &'static str, maker: Maker, figures: Vec<Figure>) {
        // Labels such as "its 99th percentile" come more than once.
        let mut seen = BTreeMap::new();
        for Figure { label, value, more } in figures {
            let nth = seen.entry(label.clone()).or_insert(0);
            let same = |row: &&mut Row| row.experiment == experiment && row.label == label;
            let row = match self.rows.iter_mut().filter(same).nth(*nth) {
                Some(row) => row,
                None => {
                    let values = BTreeMap::new();
                    self.rows.push(Row { experiment, label, more, values });
                    self.rows.last_mut().expect("just pushed")
                }
            };
            row.values.entry(maker).or_default().push(value);
            *nth += 1;
        }
    }

    /// As Markdown: of each figure the median of the rounds, and their range.
    pub fn print(&self, makers: &[Maker]) {
        print!("| |");
        makers.iter().for_each(|maker| print!(" {maker} |"));
        println!("{}", if makers.len() == 2 { " ratio |" } else { "" });
        println!("|---|{}", "--:|".repeat(makers.len() + usize::from(makers.len() == 2)));
        for row in &self.rows {
            row.print(makers);
        }
        self.failures.iter().for_each(|failure| println!("\n{failure}"));
    }
}

impl Row {
    fn print(&self, makers: &[Maker]) {
        print!("| {} |", self.label);
        let medians: Vec<Option<f64>> = makers
            .iter()
            .map(|maker| {
                let Some(values) = self.values.get(maker) else {
                    print!(" failed |");
                    return None;
                };
                let (least, most) = (quantile(values, 0.0), quantile(values, 1.0));
                print!(" {} ({}–{}) |", short(median(values)), short(least), short(most));
                Some(median(values))
            })
            .collect();
        if let [Some(ours), Some(theirs)] = medians[..] {
            let (ratio, is_won) = (ours / theirs, (ours >= theirs) == self.more);
            print!(" {ratio:.2}{} |", if is_won || ours == theirs { "" } else { " ✗" });
        }
        println!();
    }
}

/// With three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which that share of all lies; not a number when there is none.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ours => "ours",
            Self::LibDataChannel => "libdatachannel",
        })
    }
}

/// What the figures depend on.
pub fn print_machine(rounds: usize) {
    let first_of = |path, prefix: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(prefix)).unwrap_or("unknown");
        line.trim_matches([' ', '\t', ':']).to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let processor = first_of("/proc/cpuinfo", "model name");
    let kernel = first_of("/proc/sys/kernel/osrelease", "");
    println!(
        "\n{rounds} rounds; {cores} cores of {processor}, Linux {kernel}; libdatachannel 0.23.2 with OpenSSL."
    );
}
