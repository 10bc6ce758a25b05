//! The engine's view of a data channel.

use std::time::Duration;

use godot::classes::web_rtc_data_channel::{ChannelState as GodotState, WriteMode};
use godot::classes::{IWebRtcDataChannelExtension, WebRtcDataChannelExtension};
use godot::global::Error;
use godot::meta::conv::RawPtr;
use godot::prelude::*;
use signaling_webrtc::{ChannelHandle, ChannelState, Message, PutError, Reliability};

/// A data channel of a [WebRTCNativePeerConnection].
///
/// Use it through [WebRTCDataChannel]: [method WebRTCPeerConnection.create_data_channel] and
/// [signal WebRTCPeerConnection.data_channel_received] give one.
///
/// Keep a reference to it, or it is closed. A packet leaves at once when it is put; nothing has to
/// be polled for that. [method PacketPeer.put_packet] returns [constant ERR_UNCONFIGURED] while
/// the channel is not open, [constant ERR_INVALID_PARAMETER] for a packet that is larger than the
/// other side takes (256 KiB between two peers of this kind), and [constant ERR_BUSY] while 16 MiB
/// wait to be sent: watch [method WebRTCDataChannel.get_buffered_amount] when you send much.
/// Packets that arrive wait in memory until they are read. A reliable channel on which 16 MiB wait
/// slows the other side down, an unreliable one loses the oldest.
#[derive(GodotClass)]
#[class(tool, no_init, base = WebRtcDataChannelExtension, rename = WebRTCNativeDataChannel)]
pub struct WebRtcNativeDataChannel {
    channel: ChannelHandle,
    write_mode: WriteMode,
    /// The packet that was read last: the engine reads from it until it asks for the next.
    current: Message,
    base: Base<WebRtcDataChannelExtension>,
}

impl WebRtcNativeDataChannel {
    pub(super) fn from_handle(channel: ChannelHandle) -> Gd<Self> {
        Gd::from_init_fn(|base| Self {
            channel,
            write_mode: WriteMode::BINARY,
            current: Message { data: Vec::new(), text: false },
            base,
        })
    }
}

/// What the engine shows where a number was not specified, and for an id that is not known yet.
const UNSPECIFIED: i32 = 65_535;

#[godot_api]
impl IWebRtcDataChannelExtension for WebRtcNativeDataChannel {
    #[expect(unsafe_code, reason = "the engine hands out packets by pointer")]
    unsafe fn get_packet_rawptr(
        &mut self,
        r_buffer: RawPtr<*mut RawPtr<*const u8>>,
        r_buffer_size: RawPtr<*mut i32>,
    ) -> Error {
        let Some(message) = self.channel.take() else { return Error::ERR_UNAVAILABLE };
        self.current = message;
        let data = &self.current.data;
        // SAFETY: the engine passes two pointers to variables of its own, the first of them a
        // plain pointer, and reads `data` only until the next call of this method, which is the
        // only place where `current` changes, or the end of this object.
        unsafe {
            r_buffer.ptr().cast::<*const u8>().write(data.as_ptr());
            r_buffer_size.ptr().write(saturate(data.len()));
        }
        Error::OK
    }

    #[expect(unsafe_code, reason = "the engine hands over packets by pointer")]
    unsafe fn put_packet_rawptr(
        &mut self,
        p_buffer: RawPtr<*const u8>,
        p_buffer_size: i32,
    ) -> Error {
        let Ok(size) = usize::try_from(p_buffer_size) else { return Error::ERR_INVALID_PARAMETER };
        let data = if size == 0 {
            // The pointer may be null then.
            &[]
        } else {
            // SAFETY: the engine passes a pointer to that many bytes, which live through this call.
            unsafe { std::slice::from_raw_parts(p_buffer.ptr(), size) }
        };
        match self.channel.put(data, self.write_mode == WriteMode::TEXT) {
            Ok(()) => Error::OK,
            Err(PutError::NotOpen | PutError::Closed) => Error::ERR_UNCONFIGURED,
            Err(PutError::TooLarge(_)) => Error::ERR_INVALID_PARAMETER,
            Err(PutError::Full) => Error::ERR_BUSY,
        }
    }

    fn get_available_packet_count(&self) -> i32 {
        saturate(self.channel.available())
    }

    fn get_max_packet_size(&self) -> i32 {
        saturate(self.channel.max_message_bytes())
    }

    fn poll(&mut self) -> Error {
        Error::OK
    }

    fn close(&mut self) {
        self.channel.close();
    }

    fn set_write_mode(&mut self, p_write_mode: WriteMode) {
        self.write_mode = p_write_mode;
    }

    fn get_write_mode(&self) -> WriteMode {
        self.write_mode
    }

    fn was_string_packet(&self) -> bool {
        self.current.text
    }

    fn get_ready_state(&self) -> GodotState {
        match self.channel.state() {
            ChannelState::Connecting => GodotState::CONNECTING,
            ChannelState::Open => GodotState::OPEN,
            ChannelState::Closing => GodotState::CLOSING,
            ChannelState::Closed => GodotState::CLOSED,
        }
    }

    fn get_label(&self) -> GString {
        GString::from(&self.channel.init().label)
    }

    fn is_ordered(&self) -> bool {
        self.channel.init().ordered
    }

    fn get_id(&self) -> i32 {
        self.channel.id().map_or(UNSPECIFIED, i32::from)
    }

    fn get_max_packet_life_time(&self) -> i32 {
        match self.channel.init().reliability {
            Reliability::MaxPacketLifeTime(time) => whole_milliseconds(time),
            Reliability::Reliable | Reliability::MaxRetransmits(_) => UNSPECIFIED,
        }
    }

    fn get_max_retransmits(&self) -> i32 {
        match self.channel.init().reliability {
            Reliability::MaxRetransmits(count) => count.into(),
            Reliability::Reliable | Reliability::MaxPacketLifeTime(_) => UNSPECIFIED,
        }
    }

    fn get_protocol(&self) -> GString {
        GString::from(&self.channel.init().protocol)
    }

    fn is_negotiated(&self) -> bool {
        self.channel.init().negotiated.is_some()
    }

    fn get_buffered_amount(&self) -> i32 {
        saturate(self.channel.buffered_amount())
    }
}

fn saturate(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn whole_milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(UNSPECIFIED)
}
