//! Microbenchmarks of processing a batch: `cargo bench --profile harness` in `bench/`.

use countersign_bench::{Batch, SIZES, Step};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn steps(criterion: &mut Criterion) {
    for size in SIZES {
        let batch = Batch::of(size);
        let mut group = criterion.benchmark_group(format!("batch of {size}"));
        group.throughput(Throughput::Bytes(batch.size() as u64));
        if size > 1_000 {
            group.sample_size(20);
        }
        for step in Step::ALL {
            group.bench_function(BenchmarkId::from_parameter(format!("{step:?}")), |bencher| {
                bencher.iter(|| batch.measured(step));
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().configure_from_args();
    targets = steps
}
criterion_main!(benches);
