"""The base of all parts of a study file: no unknown key, nothing changed afterwards."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Strict(BaseModel):
    """A frozen part of a study file that knows its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        # true would pass as the number 1.
        annotation = str(cls.model_fields[info.field_name or ""].annotation)
        if isinstance(value, bool) and re.search(r"int|float", annotation) and "bool" not in annotation:
            raise ValueError(f"{str(value).lower()} is no number; write the number")
        return value
