//! Who a client is.

use std::sync::Arc;

use signaling_core::ConnId;
use signaling_core::games::Full;

use super::{CloudLink5Server, Player, UNAUTHORIZED};
use crate::cloudlink5::settings::Account;
use crate::cloudlink5::wire::{Init, ServerMessage, User};

impl CloudLink5Server {
    pub(super) fn authorize(&mut self, conn: ConnId, init: Init) {
        if !(self.settings.takes(&init.username) && self.settings.takes(&init.pubkey)) {
            return self.expel_for(conn, Full);
        }
        let Some(client) = self.games.client(conn) else { return };
        let Some(account) = self.account(&client.data, &init) else {
            return self.expel(conn, UNAUTHORIZED.into());
        };
        let Account { user_id, username } = account;
        let (instance_id, pubkey) = (client.id().clone(), init.pubkey.into());
        let user = User { instance_id, user_id, username, pubkey };
        let confirmed = User { pubkey: Arc::default(), ..user.clone() };
        if let Some(client) = self.games.client_mut(conn) {
            client.data.user = Some(user);
        }
        self.send(conn, &ServerMessage::InitOk(confirmed));
    }

    /// The account that a client may use; `None` when it may use none.
    fn account(&self, player: &Player, init: &Init) -> Option<Account> {
        let token = if player.token.is_empty() { &init.token } else { &player.token };
        if let Some(accounts) = &self.settings.accounts {
            return accounts.get(token).cloned();
        }
        let has_credential = !(init.username.is_empty() && token.is_empty());
        let user_id = format!("GUEST_{}", player.ulid).into();
        let username = init.username.as_str().into();
        has_credential.then_some(Account { user_id, username })
    }
}
