//! CloudLink Omega, in both numberings.

use signaling_protocols::omega::Numbering;
use signaling_tests::meeting::omega::Omega;

use super::meet;

#[tokio::test]
async fn two_omega_clients_meet_in_either_numbering() {
    for numbering in [Numbering::Seed, Numbering::Late] {
        meet(|addr| Omega::host(addr, numbering), |addr, _| Omega::guest(addr, numbering)).await;
    }
}
