//! One end of connections of our own.

fn main() -> anyhow::Result<()> {
    webrtc_bench::end::run::<webrtc_bench::native::Native>()
}
