//! Tonic behind vestibule's front door: limits, and an end in order. The service is gRPC's own one for health checks.
//!
//! `cargo run --package vestibule --features tonic --example tonic_server`, then `grpc_health_probe -addr=127.0.0.1:7777` and
//! `kill %1`: calls under way are answered, idle connections end, and what is left after ten seconds is cut and named.

#![allow(clippy::print_stdout, reason = "a program talks")]

use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use vestibule::tokio::{Listener, Options};
use vestibule::{Limits, ServerHandle};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let limits = Limits::new().max_connections(10_000).max_connections_per_source(100);
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7777".to_owned());
    let listener = Listener::bind(&*address, Options::new().limits(limits))?;
    println!("listening on {}", listener.local_addrs()[0]);

    let drain = tokio::spawn(drain_on_sigterm(listener.handle(), listener.closed()));
    let closed = listener.closed();
    let service = HealthServer::new(Patient);
    Server::builder().add_service(service).serve_with_incoming_shutdown(listener, closed).await?;
    drain.await??;
    Ok(())
}

/// Is healthy; of the service `slow` it takes a moment to find out.
struct Patient;

#[tonic::async_trait]
impl Health for Patient {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if request.get_ref().service == "slow" {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    type WatchStream = tokio_stream::Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("ask again"))
    }
}

/// Unless the listener ends by itself before.
async fn drain_on_sigterm(handle: ServerHandle, closed: impl Future<Output = ()>) -> std::io::Result<()> {
    let mut sigterm = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = sigterm.recv() => {}
        () = closed => return Ok(()),
    }
    let report = handle.drain(Duration::from_secs(10)).await?;
    println!("drained: {} ended, {} cut {:?}", report.ended, report.cut, report.cut_peers);
    Ok(())
}
