//! Keys on tokens: modules, cards and PINs.

use mcp_mtls_core::error::{Code, Side};
use mcp_mtls_testkit::pki::{Client, KeyKind};
use mcp_mtls_testkit::server::TlsServer;
use mcp_mtls_testtoken::{FOLDER, Object, TestToken};

use super::case::{Case, case, path};
use super::files::NOWHERE;
use super::run::{Run, host};

const PIN: &str = "135790";
const WRONG: &str = "246801";

/// A card with the certificate and the key of alice.
fn card(case: &mut Case) -> TestToken {
    let client = case.pki.client("alice");
    card_of(case, &client)
}

/// A card with the certificate and the key of this client.
fn card_of(case: &mut Case, client: &Client) -> TestToken {
    let card = TestToken::new(&case.pki.dir().join("card"));
    let object = Object::new("alice", &[1], Some(&client.leaf_der), Some(&client.key_pkcs8_der()));
    card.change(|facts| {
        facts.objects.push(object);
        PIN.clone_into(&mut facts.pin);
    });
    case.secret(PIN);
    case.secret(WRONG);
    case.hide(&path(&TestToken::module()), "[module]");
    card
}

/// A host with these settings besides the module.
fn with(case: &Case, card: &TestToken, settings: &[&str]) -> Run {
    towards(case, card, NOWHERE, settings)
}

fn towards(case: &Case, card: &TestToken, url: &str, settings: &[&str]) -> Run {
    let home = case.pki.dir().join("home");
    std::fs::create_dir_all(&home).expect("a folder can be made");
    let module = path(&TestToken::module());
    let host = host([url, "--pkcs11-module", &module]).args(settings).home(&home);
    host.env(FOLDER, card.folder()).env("PIN", PIN).env("WRONG", WRONG).env("BLANK", format!("{PIN} "))
}

const CARD: [&str; 4] = ["--cert", "pkcs11:token=Test%20Card", "--passphrase", "{env:PIN}"];

/// A card of which something is so that should not be.
async fn of_card(name: &'static str, code: Code, settings: &[&str], change: impl FnOnce(&TestToken)) {
    let mut case = case(name, code, Side::Ours);
    let card = card(&mut case);
    change(&card);
    let host = with(&case, &card, settings);
    case.refused("as flags", host).await;
    case.end();
}

fn as_it_is(_: &TestToken) {}

#[tokio::test]
async fn a_module_that_is_not_there() {
    let settings = ["--cert", "pkcs11:object=alice?module-path=/no/such/module.so", CARD[2], CARD[3]];
    let mut case = case("token-module-missing", Code::TokenModuleFailed, Side::Ours);
    case.refused("as flags", host([NOWHERE]).args(settings).env("PIN", PIN)).await;
    case.end();
}

#[tokio::test]
async fn a_module_that_is_no_library() {
    let mut case = case("token-module-failed", Code::TokenModuleFailed, Side::Ours);
    let module = case.file("module.so", "not a library");
    let host = host([NOWHERE, "--pkcs11-module", &module]).args(CARD).env("PIN", PIN);
    case.refused("as flags", host).await;
    case.end();
}

#[tokio::test]
async fn a_card_that_is_not_in_its_reader() {
    of_card("token-missing", Code::TokenMissing, &CARD, |card| card.change(|facts| facts.present = false)).await;
}

#[tokio::test]
async fn another_card_in_the_reader() {
    of_card("token-missing-for-another", Code::TokenMissing, &CARD, |card| {
        card.change(|facts| "Bob's Card".clone_into(&mut facts.label));
    })
    .await;
}

#[tokio::test]
async fn a_card_without_that_certificate() {
    let settings = ["--cert", "pkcs11:object=bob", CARD[2], CARD[3]];
    of_card("token-object-missing", Code::TokenObjectMissing, &settings, as_it_is).await;
}

#[tokio::test]
async fn a_card_with_several_certificates() {
    of_card("token-ambiguous", Code::TokenAmbiguous, &CARD, |card| {
        card.change(|facts| {
            let mut other = facts.objects[0].clone();
            (other.label, other.id) = ("other".to_owned(), vec![2]);
            facts.objects.push(other);
        });
    })
    .await;
}

#[tokio::test]
async fn a_card_that_does_not_sign() {
    of_card("token-failed", Code::TokenFailed, &CARD, |card| card.change(|facts| facts.broken = true)).await;
}

#[tokio::test]
async fn a_pin_that_is_missing() {
    of_card("pin-missing", Code::PinMissing, &CARD[..2], as_it_is).await;
}

#[tokio::test]
async fn a_pin_with_a_blank() {
    let settings = [CARD[0], CARD[1], CARD[2], "{env:BLANK}"];
    of_card("pin-malformed", Code::PinMalformed, &settings, as_it_is).await;
}

#[tokio::test]
async fn a_pin_that_is_wrong() {
    let settings = [CARD[0], CARD[1], CARD[2], "{env:WRONG}"];
    of_card("pin-wrong", Code::PinWrong, &settings, as_it_is).await;
}

#[tokio::test]
async fn a_pin_that_has_one_try_left() {
    of_card("pin-final-try", Code::PinFinalTry, &CARD, |card| card.change(|facts| facts.tries = 1)).await;
}

#[tokio::test]
async fn a_pin_that_is_locked() {
    of_card("pin-locked", Code::PinLocked, &CARD, |card| card.change(|facts| facts.tries = 0)).await;
}

#[tokio::test]
async fn a_pin_in_the_uri() {
    let mut case = case("pin-in-arguments", Code::SecretInArguments, Side::Ours);
    let pin = case.secret(PIN);
    case.refused("as a flag", host([NOWHERE, "--cert", &format!("pkcs11:?pin-value={pin}")])).await;
    case.end();
}

#[tokio::test]
async fn a_card_that_makes_no_signature_which_the_server_takes() {
    let mut case = case("key-unsupported-by-server", Code::KeyUnsupported, Side::Ours);
    let client = case.pki.client_with_key("alice", KeyKind::Rsa2048);
    let card = card_of(&mut case, &client);
    // TLS 1.3 takes none but PSS of such a key (RFC 8446, section 4.4.3).
    card.change(|facts| facts.mechanisms = vec![cryptoki_sys::CKM_RSA_PKCS]);
    let server = TlsServer::builder(&case.pki).tls13_only().start().await;
    let host = towards(&case, &card, &server.url("/mcp"), &CARD).args(["--ca"]).args([case.pki.server_ca_file()]);
    case.refused("TLS 1.3", host).await;
    case.verified("TLS 1.3", &server.verified(), None);
    case.end();
}
