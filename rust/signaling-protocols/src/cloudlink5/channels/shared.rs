//! Variables and lists that several games keep the same.
//!
//! Each has an id that all of them know. Whoever changes one tells the others; there is no order
//! between changes of different games, and the last that arrives counts. What nobody shares here is
//! not kept, so that a stranger cannot fill anything.

use std::collections::HashMap;

use super::packet::{ListChange, Packet, Scope};

/// Items of one list; a change that leads to more is refused.
const MAX_ITEMS: usize = 65_536;
/// Bytes of one variable or list, as JSON; a change that leads to more is refused.
const MAX_BYTES: usize = 1 << 20;

/// Bytes of one change as a message; no larger one arrives everywhere.
const MAX_CHANGE_BYTES: usize = 256 << 10;

/// What this game shares with others.
#[derive(Debug, Default)]
pub struct Shared {
    entries: HashMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// With whom alone; `None`: with all.
    peer: Option<String>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Variable(String),
    List(List),
}

/// A list, and how many bytes its items have.
#[derive(Debug, Default)]
struct List {
    items: Vec<String>,
    bytes: usize,
}

/// A change that somebody else made. Values are JSON texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A variable has another value.
    Variable {
        /// Which.
        id: String,
        /// What it is now.
        value: String,
    },
    /// A list was changed.
    List {
        /// Which.
        id: String,
        /// How.
        change: ListChange,
    },
}

/// Why something is not shared or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// The id belongs to something else.
    #[error("this id is taken")]
    Taken,
    /// There is nothing of that id and kind.
    #[error("nothing of this id is shared")]
    Unknown,
    /// It would have more than 65 536 items, or 1 MiB; or the change has more than 256 KiB.
    #[error("that is too large to be shared")]
    TooLarge,
}

impl Shared {
    /// Shares a variable with all peers, or with one alone, from now on. The others are not told
    /// before it changes.
    ///
    /// # Errors
    /// [`ShareError::Taken`], and [`ShareError::TooLarge`].
    pub fn share_variable(
        &mut self,
        id: &str,
        peer: Option<&str>,
        value: &str,
    ) -> Result<(), ShareError> {
        let mut content = Content::Variable(String::new());
        content.set(value)?;
        self.share(id, peer, content)
    }

    /// The same for a list.
    ///
    /// # Errors
    /// [`ShareError::Taken`], and [`ShareError::TooLarge`].
    pub fn share_list(
        &mut self,
        id: &str,
        peer: Option<&str>,
        items: Vec<String>,
    ) -> Result<(), ShareError> {
        let mut content = Content::List(List::default());
        content.change(&ListChange::Set(items))?;
        self.share(id, peer, content)
    }

    fn share(&mut self, id: &str, peer: Option<&str>, content: Content) -> Result<(), ShareError> {
        if self.entries.contains_key(id) {
            return Err(ShareError::Taken);
        }
        self.entries.insert(id.to_owned(), Entry { peer: peer.map(str::to_owned), content });
        Ok(())
    }

    /// Keeps a variable or list no longer the same; false when there was none.
    pub fn unshare(&mut self, id: &str) -> bool {
        self.entries.remove(id).is_some()
    }

    /// With whom alone something is shared; `None`: with all, or not at all.
    pub fn peer(&self, id: &str) -> Option<&str> {
        self.entries.get(id)?.peer.as_deref()
    }

    /// The value of a variable.
    pub fn variable(&self, id: &str) -> Option<&str> {
        match &self.entries.get(id)?.content {
            Content::Variable(value) => Some(value),
            Content::List(_) => None,
        }
    }

    /// The items of a list.
    pub fn list(&self, id: &str) -> Option<&[String]> {
        match &self.entries.get(id)?.content {
            Content::List(list) => Some(&list.items),
            Content::Variable(_) => None,
        }
    }

    /// Changes a variable; what to tell [`Shared::peer`], or all.
    ///
    /// # Errors
    /// [`ShareError::Unknown`], and [`ShareError::TooLarge`].
    pub fn set_variable(&mut self, id: &str, value: &str) -> Result<Packet, ShareError> {
        let entry = self.entries.get_mut(id).ok_or(ShareError::Unknown)?;
        let (scope, id, payload) = (entry.scope(), id.to_owned(), value.to_owned());
        let packet = message(Packet::Variable { scope, id, payload })?;
        entry.content.set(value)?;
        Ok(packet)
    }

    /// Changes a list; what to tell [`Shared::peer`], or all.
    ///
    /// # Errors
    /// [`ShareError::Unknown`], and [`ShareError::TooLarge`].
    pub fn change_list(&mut self, id: &str, change: &ListChange) -> Result<Packet, ShareError> {
        let entry = self.entries.get_mut(id).ok_or(ShareError::Unknown)?;
        let (scope, id) = (entry.scope(), id.to_owned());
        let packet = message(Packet::List { scope, id, change: change.clone() })?;
        entry.content.change(change)?;
        Ok(packet)
    }

    /// Takes in what a peer has told; `None` when it is nothing that is shared with that peer, or
    /// too large.
    pub fn hear(&mut self, from: &str, packet: Packet) -> Option<Change> {
        match packet {
            Packet::Variable { id, payload, .. } => {
                self.shared_with(from, &id)?.content.set(&payload).ok()?;
                Some(Change::Variable { id, value: payload })
            }
            Packet::List { id, change, .. } => {
                self.shared_with(from, &id)?.content.change(&change).ok()?;
                Some(Change::List { id, change })
            }
            Packet::Message { .. } | Packet::NewChannel(_) | Packet::Hangup | Packet::Decline => {
                None
            }
        }
    }

    fn shared_with(&mut self, from: &str, id: &str) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(id)?;
        let is_welcome = entry.peer.as_deref().is_none_or(|peer| peer == from);
        is_welcome.then_some(entry)
    }
}

impl Entry {
    fn scope(&self) -> Scope {
        if self.peer.is_some() { Scope::Private } else { Scope::Global }
    }
}

/// The change, if it can be told.
fn message(packet: Packet) -> Result<Packet, ShareError> {
    if packet.encode().len() > MAX_CHANGE_BYTES { Err(ShareError::TooLarge) } else { Ok(packet) }
}

/// What stands where a list is longer than what it was given.
const EMPTY: &str = "null";

impl Content {
    fn set(&mut self, value: &str) -> Result<(), ShareError> {
        match self {
            Self::Variable(_) if value.len() > MAX_BYTES => Err(ShareError::TooLarge),
            Self::Variable(old) => {
                value.clone_into(old);
                Ok(())
            }
            Self::List(_) => Err(ShareError::Unknown),
        }
    }

    fn change(&mut self, change: &ListChange) -> Result<(), ShareError> {
        match self {
            Self::List(list) => list.change(change),
            Self::Variable(_) => Err(ShareError::Unknown),
        }
    }
}

impl List {
    fn change(&mut self, change: &ListChange) -> Result<(), ShareError> {
        let length = self.length_after(change);
        if length > MAX_ITEMS {
            return Err(ShareError::TooLarge);
        }
        let bytes = self.bytes_after(change);
        if bytes > MAX_BYTES {
            return Err(ShareError::TooLarge);
        }
        self.bytes = bytes;
        match change {
            ListChange::Set(items) => self.items.clone_from(items),
            ListChange::Replace { index, value } => {
                self.items.resize(length, EMPTY.to_owned());
                value.clone_into(&mut self.items[*index]);
            }
            ListChange::Length(length) => self.items.resize(*length, EMPTY.to_owned()),
        }
        Ok(())
    }

    fn length_after(&self, change: &ListChange) -> usize {
        match change {
            ListChange::Set(items) => items.len(),
            ListChange::Replace { index, .. } => self.items.len().max(index.saturating_add(1)),
            ListChange::Length(length) => *length,
        }
    }

    fn bytes_after(&self, change: &ListChange) -> usize {
        let padded = |length: usize| length.saturating_sub(self.items.len()) * EMPTY.len();
        let bytes = |items: &[String]| items.iter().map(String::len).sum::<usize>();
        match change {
            ListChange::Set(items) => bytes(items),
            ListChange::Replace { index, value } => {
                let old = self.items.get(*index).map_or(0, String::len);
                self.bytes - old + padded(*index) + value.len()
            }
            ListChange::Length(length) => {
                let gone = self.items.get(*length..).map_or(0, bytes);
                self.bytes - gone + padded(*length)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn replace(index: usize, value: &str) -> ListChange {
        ListChange::Replace { index, value: value.to_owned() }
    }

    #[test]
    fn two_games_keep_a_list_the_same() {
        let [mut here, mut there] = [(); 2].map(|()| Shared::default());
        for shared in [&mut here, &mut there] {
            shared.share_list("l", None, list("1 2 3")).unwrap();
        }
        for (change, items) in [
            (replace(1, "9"), "1 9 3"),
            (replace(4, "5"), "1 9 3 null 5"),
            (ListChange::Length(2), "1 9"),
            (replace(2, "7"), "1 9 7"),
            (ListChange::Length(4), "1 9 7 null"),
            (ListChange::Set(list("8 9")), "8 9"),
        ] {
            let packet = here.change_list("l", &change).unwrap();
            let packet = Packet::decode(&packet.encode()).unwrap();
            let heard = there.hear("peer", packet);
            assert_eq!(heard, Some(Change::List { id: "l".into(), change }));
            assert_eq!(
                (here.list("l"), there.list("l")),
                (Some(&*list(items)), Some(&*list(items)))
            );
        }
    }

    #[test]
    fn what_is_private_is_changed_by_its_peer_alone() {
        let mut shared = Shared::default();
        shared.share_variable("v", Some("friend"), "1").unwrap();
        let packet = shared.set_variable("v", "2").unwrap();
        assert!(matches!(&packet, Packet::Variable { scope: Scope::Private, .. }), "{packet:?}");
        let packet = |payload: &str| {
            let (id, payload) = ("v".to_owned(), payload.to_owned());
            Packet::Variable { scope: Scope::Global, id, payload }
        };
        assert_eq!(shared.hear("stranger", packet("3")), None);
        assert_eq!(shared.variable("v"), Some("2"));
        assert!(shared.hear("friend", packet("4")).is_some());
        assert_eq!(shared.variable("v"), Some("4"));
    }

    #[test]
    fn what_nobody_shares_here_is_not_kept() {
        let mut shared = Shared::default();
        let (scope, id, payload) = (Scope::Global, "v".to_owned(), "1".to_owned());
        assert_eq!(shared.hear("peer", Packet::Variable { scope, id, payload }), None);
        assert_eq!(shared.variable("v"), None);
        assert_eq!(shared.set_variable("v", "1"), Err(ShareError::Unknown));
        shared.share_list("v", None, vec![]).unwrap();
        assert_eq!(shared.set_variable("v", "1"), Err(ShareError::Unknown));
        assert_eq!(shared.share_variable("v", None, "1"), Err(ShareError::Taken));
        assert!(shared.unshare("v") && !shared.unshare("v"));
    }

    #[test]
    fn a_list_does_not_grow_without_bound() {
        let mut shared = Shared::default();
        shared.share_list("l", None, list("1 2")).unwrap();
        let large = "x".repeat(MAX_BYTES);
        for change in [
            replace(usize::MAX, "1"),
            replace(MAX_ITEMS, "1"),
            replace(0, &large),
            ListChange::Length(usize::MAX),
            ListChange::Length(MAX_ITEMS + 1),
            ListChange::Set(vec!["1".to_owned(); MAX_ITEMS + 1]),
        ] {
            assert_eq!(shared.change_list("l", &change), Err(ShareError::TooLarge));
        }
        assert_eq!(shared.list("l"), Some(&*list("1 2")));
    }

    #[test]
    fn nothing_is_changed_that_cannot_be_told() {
        let mut shared = Shared::default();
        shared.share_variable("v", None, "1").unwrap();
        let large = "1".repeat(MAX_CHANGE_BYTES);
        assert_eq!(shared.set_variable("v", &large), Err(ShareError::TooLarge));
        assert_eq!(shared.variable("v"), Some("1"));
        assert!(shared.set_variable("v", &large[..MAX_CHANGE_BYTES / 2]).is_ok());
    }
}
