//! What can be set of CloudLink 5.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use signaling_core::rate::Rate;
use signaling_protocols::cloudlink5::{Account, Settings};

use crate::gate::read_lines;

#[derive(Debug, Args)]
#[command(next_help_heading = "CloudLink 5")]
pub(crate) struct CloudLinkOptions {
    /// A file with the accounts that are let in, one a line: a token, the user's id and the user's
    /// name, with blanks between; lines that begin with # do not count. Without, everybody is let in
    #[arg(long, env = "SIGNALING_CLOUDLINK_ACCOUNTS", value_name = "FILE")]
    cloudlink_accounts: Option<PathBuf>,

    /// How often one address may connect in a minute; 0 is as often as it likes
    #[arg(long, env = "SIGNALING_CLOUDLINK_CONNECTS", default_value_t = 0, value_name = "COUNT")]
    cloudlink_connects: u32,
}

impl CloudLinkOptions {
    /// All that is set; reads the file.
    pub(crate) fn settings(&self) -> Result<Settings, String> {
        let mut settings = Settings::default();
        if let Some(file) = &self.cloudlink_accounts {
            let problem = |problem| format!("{}: {problem}", file.display());
            settings.accounts = Some(accounts(read_lines(file)?).map_err(problem)?);
        }
        settings.connect_rate = a_minute(self.cloudlink_connects);
        Ok(settings)
    }
}

fn accounts(lines: Vec<String>) -> Result<HashMap<String, Account>, String> {
    let account = |line: String| {
        let mut words = line.split_whitespace();
        let (Some(token), Some(user_id)) = (words.next(), words.next()) else {
            // The line itself is a secret.
            return Err("a token without a user's id".to_owned());
        };
        let username = words.collect::<Vec<_>>().join(" ").into();
        Ok((token.to_owned(), Account { user_id: user_id.into(), username }))
    };
    lines.into_iter().map(account).collect()
}

fn a_minute(count: u32) -> Rate {
    let interval = Duration::from_secs(60).checked_div(count);
    interval.map_or(Rate::UNLIMITED, |interval| Rate { interval, burst: count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_a_token_an_id_and_a_name() {
        let lines = ["t1 u1 Ada  Lovelace", "t2\tu2"].map(str::to_owned);
        let accounts = accounts(lines.into()).unwrap();
        for (token, user_id, username) in [("t1", "u1", "Ada Lovelace"), ("t2", "u2", "")] {
            let account = Account { user_id: user_id.into(), username: username.into() };
            assert_eq!(accounts[token], account);
        }
    }

    #[test]
    fn a_line_without_an_id_is_refused_and_not_told() {
        assert_eq!(accounts(vec!["t1".to_owned()]), Err("a token without a user's id".to_owned()));
    }

    #[test]
    fn an_address_may_connect_so_often_in_a_minute() {
        assert_eq!(a_minute(0), Rate::UNLIMITED);
        assert_eq!(a_minute(15), Rate { interval: Duration::from_secs(4), burst: 15 });
    }
}
