//! What is known of the lobby while we are in it.

use godot::prelude::*;
use signaling_core::PeerId;

use super::event::Member;
use super::version::Version;
use crate::json;

/// Members that are known at most; a server that announces more means no good.
const MAX_MEMBERS: usize = 4096;

/// Our place in a lobby.
pub(super) struct Place {
    version: Version,
    lobby: String,
    me: String,
    /// Empty when it is not known, or there is none.
    host: String,
    /// Ourselves and those that we heard of, in the order in which we did.
    members: Vec<Member>,
    /// Whether we opened the lobby: then we were told of everybody who has come.
    knows_all: bool,
}

impl Place {
    pub(super) fn new(version: Version, lobby: String, me: Member, is_host: bool) -> Self {
        let host = if is_host { me.id.clone() } else { String::new() };
        Self { version, lobby, me: me.id.clone(), host, members: vec![me], knows_all: is_host }
    }

    pub(super) fn lobby(&self) -> &str {
        &self.lobby
    }

    pub(super) fn is_host(&self) -> bool {
        self.host == self.me
    }

    /// Whether all are connected to the host, and to nobody else.
    pub(super) fn is_star(&self) -> bool {
        !self.version.is_mesh()
    }

    pub(super) fn me(&self) -> &str {
        &self.me
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn set_host(&mut self, host: &str) {
        host.clone_into(&mut self.host);
    }

    /// Whether somebody with this id may be in the lobby. Whoever comes later does not know who was
    /// there before; but whoever opened it must not take somebody in who did not get past the server.
    pub(super) fn may_have(&self, id: &str) -> bool {
        !self.knows_all || self.members.iter().any(|member| member.id == id)
    }

    /// Whether it was not known before. What is told later of a member counts.
    pub(super) fn add(&mut self, member: &Member) -> bool {
        if let Some(known) = self.members.iter_mut().find(|known| known.id == member.id) {
            if !member.name.is_empty() {
                *known = member.clone();
            }
            return false;
        }
        let is_new = self.members.len() < MAX_MEMBERS;
        if is_new {
            self.members.push(member.clone());
        }
        is_new
    }

    /// Whether it was known.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        let count = self.members.len();
        self.members.retain(|member| member.id != id || id == self.me);
        self.members.len() < count
    }

    /// The multiplayer id of a member: in a lobby with a host in its middle that is 1.
    pub(super) fn peer_id(&self, id: &str) -> PeerId {
        if self.is_star() && self.host == id { PeerId::HOST } else { PeerId::of_name(id) }
    }

    /// The members, as games are told.
    pub(super) fn members(&self) -> Array<VarDictionary> {
        self.members.iter().map(|member| self.describe(member)).collect()
    }

    fn describe(&self, member: &Member) -> VarDictionary {
        vdict! {
            "member" => &*member.id,
            "id" => json::id(self.peer_id(&member.id)),
            "name" => &*member.name,
            "pubkey" => &*member.pubkey,
            "host" => member.id == self.host,
            "is_me" => member.id == self.me,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str) -> Member {
        Member { id: id.to_owned(), ..Member::default() }
    }

    fn place(version: Version) -> Place {
        let mut place = Place::new(version, "lobby".to_owned(), member("me"), false);
        place.set_host("host");
        place
    }

    #[test]
    fn the_host_is_1_where_it_is_in_the_middle() {
        let omega = place(Version::OmegaLate2023);
        assert_eq!(omega.peer_id("host"), PeerId::HOST);
        assert_eq!(omega.peer_id("me"), PeerId::of_name("me"));
        assert_eq!(place(Version::CloudLink5).peer_id("host"), PeerId::of_name("host"));
    }

    #[test]
    fn whoever_opened_the_lobby_knows_who_is_in_it() {
        let mut own = Place::new(Version::CloudLink5, "lobby".to_owned(), member("me"), true);
        assert!(!own.may_have("a") && place(Version::CloudLink5).may_have("a"));
        own.add(&member("a"));
        assert!(own.may_have("a"));
        own.remove("a");
        assert!(!own.may_have("a"));
    }

    #[test]
    fn members_are_known_once_and_we_stay() {
        let mut place = place(Version::CloudLink5);
        assert!(place.add(&member("a")) && !place.add(&member("a")) && !place.add(&member("me")));
        assert!(place.remove("a") && !place.remove("a") && !place.remove("me"));
    }
}
