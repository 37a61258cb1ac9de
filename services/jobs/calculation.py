"""What a job calculates: a pure function. Loaded where it is called, since it brings most of the library with it."""

from __future__ import annotations

from risk_core.engine.challengers import Challengers, judge
from risk_core.engine.configuration import ModelConfiguration
from risk_core.records import Genesis
from services.common.codec import decode
from services.common.job_inputs import inputs_of
from services.jobs.work import Calculated, Work


def calculate(work: Work) -> Calculated:
    """Return the rows of a job: the same whoever calculates them.

    Raises
    ------
    ValueError
        The inputs are damaged, or need more scenario rows than there are.
    """
    inputs = inputs_of(work.job)
    if len(work.rows) != inputs.scenarios:
        raise ValueError(f"job {work.job.job_key} needs {inputs.scenarios} scenario rows; the store holds {len(work.rows)}")
    genesis = decode(work.genesis).body
    assert isinstance(genesis, Genesis)
    configuration = ModelConfiguration.from_json(genesis.configuration)
    challengers = Challengers(genesis.book, work.rows, configuration)
    return Calculated(
        results=tuple(challengers.results(work.job.run_id, configuration.challengers, inputs, configuration.confidences)),
        day_closes=tuple(judge(work.job.run_id, inputs, work.forecasts)),
    )
