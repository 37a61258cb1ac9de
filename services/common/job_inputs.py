"""Inputs of a job as bytes."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from risk_core.engine.inputs import Inputs
from services.common.ports import Job
from services.common.state_codec import pack, unpack

KIND: Final = "challengers"
INPUTS_VERSION: Final = 1


def job_of(run_id: str, shard_id: str, inputs: Inputs) -> Job:
    """Return the job that evaluates the challengers of a day close."""
    values: dict[str, Any] = {f.name: getattr(inputs, f.name) for f in fields(Inputs)}
    values |= {"version": INPUTS_VERSION, "node_ids": list(inputs.node_ids), "flags": list(inputs.flags)}
    key = f"{run_id}/{shard_id}/{inputs.as_of_ns}/{inputs.revision}/{KIND}"
    return Job(key, run_id, shard_id, KIND, inputs.as_of_ns, pack(values))


def inputs_of(job: Job) -> Inputs:
    """Inverse of `job_of`.

    Raises
    ------
    MalformedState
        The inputs are damaged.
    ValueError
        They are of another version.
    """
    values: dict[str, Any] = unpack(job.payload)
    version = values.pop("version", None)
    if version != INPUTS_VERSION:
        raise ValueError(f"job {job.job_key}: inputs of version {version}, this process reads version {INPUTS_VERSION}")
    return Inputs(**(values | {"node_ids": tuple(values["node_ids"]), "flags": tuple(values["flags"])}))
