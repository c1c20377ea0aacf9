// A rustls client that meets a fault: one request, and whatever rustls says of it.
// Arguments: address, server name, version, roots, chain, key; chain and key are - to present nothing.
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    if let Err(error) = met(&given) {
        println!("{error}");
    }
}

fn met(given: &[String]) -> Result<(), Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    for one in CertificateDer::pem_file_iter(&given[3])? {
        roots.add(one?)?;
    }
    let versions = if given[2] == "1.3" { vec![&rustls::version::TLS13] } else { vec![&rustls::version::TLS12] };
    let verifies = ClientConfig::builder_with_protocol_versions(&versions).with_root_certificates(roots);
    let config = if given[4] == "-" {
        verifies.with_no_client_auth()
    } else {
        let chain = CertificateDer::pem_file_iter(&given[4])?.collect::<Result<Vec<_>, _>>()?;
        verifies.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&given[5])?)?
    };
    let name = ServerName::try_from(given[1].clone())?;
    let connection = ClientConnection::new(Arc::new(config), name)?;
    let mut tls = StreamOwned::new(connection, TcpStream::connect(&given[0])?);
    tls.write_all(format!("GET / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", given[1]).as_bytes())?;
    let mut answer = Vec::new();
    tls.read_to_end(&mut answer)?;
    Ok(())
}
