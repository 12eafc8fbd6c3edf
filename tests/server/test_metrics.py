from contextlib import closing

from nmt.server.metrics import Metrics, metrics_file


def test_all_workers_report_the_sums_of_all() -> None:
    with metrics_file(1) as path, closing(Metrics(path)) as metrics:
        metrics.answered("/translate", 200, 0.02)
        metrics.answered("/translate", 200, 20.0)
        metrics.answered("/page.js", 418, 0.0)
        metrics.batch(3)
        metrics.characters(7)
        metrics.waiting(2)
        said = metrics.text().splitlines()
    for line in (
        'nmt_requests_total{path="/translate",status="200"} 2',
        'nmt_requests_total{path="other",status="other"} 1',
        'nmt_translate_seconds_bucket{le="0.01"} 0',
        'nmt_translate_seconds_bucket{le="0.025"} 1',
        'nmt_translate_seconds_bucket{le="10.0"} 1',
        'nmt_translate_seconds_bucket{le="+Inf"} 2',
        "nmt_translate_seconds_sum 20.020000",
        "nmt_translate_seconds_count 2",
        'nmt_batch_lines_bucket{le="2"} 0',
        'nmt_batch_lines_bucket{le="4"} 1',
        "nmt_batch_lines_sum 3.000000",
        "nmt_characters_total 7",
        "nmt_waiting_lines 2",
    ):
        assert line in said


def test_every_counter_is_described() -> None:
    with metrics_file(1) as path, closing(Metrics(path)) as metrics:
        said = metrics.text().splitlines()
    described = {line.split()[2] for line in said if line.startswith("# TYPE")}
    for line in said:
        name = line.split("{")[0].split()[0]
        assert line.startswith("#") or any(name.startswith(known) for known in described)


def test_the_file_is_gone_in_the_end() -> None:
    with metrics_file(2) as path:
        assert path.stat().st_size
    assert not path.exists()


def test_a_status_is_counted_by_its_path() -> None:
    with metrics_file(1) as path, closing(Metrics(path)) as metrics:
        for status in (200, 400, 503):
            metrics.answered("/detect", status, 0.1)
        said = metrics.text()
    assert said.count('path="/detect"') == 3
    assert "nmt_translate_seconds_count 0" in said
