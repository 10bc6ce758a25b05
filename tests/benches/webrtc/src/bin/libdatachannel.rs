//! One end of connections of libdatachannel.

fn main() -> anyhow::Result<()> {
    webrtc_bench::end::run::<webrtc_bench::libdatachannel::LibDataChannel>()
}
