"""Which variables are secret: by their names, since files do not say it."""

from __future__ import annotations

import re
from dataclasses import field, replace
from fnmatch import translate
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import ConfigWarning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spotci.variables import Variable

__all__ = ["SHORTEST_SECRET", "Masking"]

#: GitLab masks no shorter value: it would hit half of a log.
SHORTEST_SECRET = 8
_SECRET = re.compile(
    r"TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|PRIVATE|CREDENTIAL|AUTH_CONFIG"
    r"|API_?KEY|ACCESS_?KEY|SSH_?KEY|SIGNING_?KEY|ENCRYPTION_?KEY|_PWD$",
    re.IGNORECASE,
)
#: Switches that only look like secrets by their names.
_SWITCHES = frozenset({"", "0", "1", "true", "false", "yes", "no", "on", "off"})


@dataclass(slots=True, kw_only=True)
class Masking:
    """Marks variables as secret and collects warnings about those that cannot be.

    ``mask`` and ``unmask`` are patterns with ``*``, in any case; ``unmask`` wins.
    """

    mask: Iterable[str] = ()
    unmask: Iterable[str] = ()
    warnings: list[ConfigWarning] = field(default_factory=list)

    def apply(self, variable: Variable) -> Variable:
        """Return the variable, masked if its name says that it is secret."""
        if variable.masked or not self._secret(variable.name):
            return variable
        if len(variable.value) >= SHORTEST_SECRET:
            return replace(variable, masked=True)
        if variable.value.lower() not in _SWITCHES:
            self._warn_short(variable)
        return variable

    def _secret(self, name: str) -> bool:
        if _matches_any(name, self.unmask):
            return False
        return bool(_SECRET.search(name)) or _matches_any(name, self.mask)

    def _warn_short(self, variable: Variable) -> None:
        warning = ConfigWarning(
            message=f"{variable.name} looks secret and cannot be masked: its value "
            f"has fewer than {SHORTEST_SECRET} characters ({variable.origin})"
        )
        if warning not in self.warnings:
            self.warnings.append(warning)


def _matches_any(name: str, patterns: Iterable[str]) -> bool:
    return any(
        re.fullmatch(translate(pattern), name, re.IGNORECASE) for pattern in patterns
    )
