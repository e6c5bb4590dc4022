"""``include``: reads the files that a file names, and theirs, and merges them.

See "include" in GitLab's YAML reference. All reading goes through the context's
:class:`~spotci.context.IncludeReader`; nothing here does I/O. The included files are
merged in the order in which they are listed, each over the earlier ones, and the file
that includes them over all.
"""

from __future__ import annotations

import json
import re
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from spotci.dataclass import dataclass
from spotci.errors import IncludeError, ReadError, YamlError
from spotci.parser.files import RepositoryFiles
from spotci.parser.header import content_of
from spotci.parser.keywords.decoding import plain, plain_mapping
from spotci.parser.keywords.rules import RulesOf, decode_rules
from spotci.parser.merge import deep_merge, without
from spotci.parser.nodes import Mapping, Scalar, Sequence
from spotci.parser.problems import did_you_mean
from spotci.parser.reference import contains_reference
from spotci.parser.rules import RuleError, RuleScope, match_rules
from spotci.parser.yaml import parse
from spotci.variables import effective, expand, expand_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Mapping as MappingType

    from spotci.context import Context
    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems
    from spotci.source import SourceFile, Span
    from spotci.variables import Variable

__all__ = ["MAX_INCLUDES", "Includer"]

#: Files of one pipeline, those that are included twice counted twice.
MAX_INCLUDES = 150

_KINDS = ("local", "project", "remote", "template", "component", "artifact")
_ASKED = "`local`, `project`, `remote`, `template`, `component`"
_OTHER_KEYS = ("file", "ref", "inputs", "rules", "integrity", "cache", "job")
#: What a header may include.
_SHARED_KINDS = ("local", "project", "remote")
_URL = re.compile(r"https?://", re.IGNORECASE)
_YAML_NAME = re.compile(r".+\.ya?ml", re.IGNORECASE)
_TEMPLATE_SUFFIX = ".gitlab-ci.yml"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """One file to read: how, what it is given, and where that is written."""

    name: str
    read: Callable[[], SourceFile]
    inputs: MappingType[str, Any]
    span: Span
    inputs_span: Span | None = None
    #: A file must have a YAML name; a component and a template have rules of their own.
    checked: bool = True


@dataclass(slots=True)
class Includer:
    """Reads a file with all that it includes."""

    context: Context
    problems: Problems
    sources: list[SourceFile] = field(default_factory=list)
    _variables: dict[str, Variable] = field(init=False)
    _expanded: dict[str, Variable] = field(init=False)
    _files: RepositoryFiles = field(init=False)
    #: Values of masked variables, the longest first.
    _secrets: list[str] = field(init=False)
    _count: int = 0

    def __post_init__(self) -> None:
        self._variables = effective(self.context.variables)
        in_order = tuple(self._variables.values())
        self._expanded = {
            variable.name: variable
            for variable in expand_all(in_order, keep_undefined=False)
        }
        self._secrets = sorted(
            {item.value for item in in_order if item.masked and item.value},
            key=len,
            reverse=True,
        )
        self._files = RepositoryFiles(
            self.context.repository, self.context.changes_always_true
        )

    def read(
        self,
        file: SourceFile,
        inputs: MappingType[str, Any],
        *,
        given_at: Span | None = None,
    ) -> Mapping | None:
        """Return the content of a file merged over what it includes, or None.

        What is wrong is reported; then the rest is still read, to report that, too.
        """
        self.sources.append(file)
        try:
            documents = parse(file, self._repeated)
        except YamlError as error:
            self.problems.errors.append(self._in_file(error, file))
            return None
        try:
            content = content_of(
                documents,
                file,
                inputs,
                self.problems,
                given_at=given_at,
                variables=self._variables,
                shared_inputs=lambda node: self._shared_inputs(node, file),
            )
        except YamlError as error:
            self.problems.errors.append(error)
            return None
        if content is None:
            return None
        if not isinstance(content, Mapping):
            wrong = "Invalid configuration format"
            message = _no_map(file) if file.included_from else wrong
            hint = "a configuration is a map of keywords and jobs"
            self.problems.error(message, content.span, hint=hint, kind=IncludeError)
            return None
        own = without(content, "include")
        merged = Mapping(span=content.span)
        if (include := content.get("include")) is not None:
            for part in self._included(include, file):
                merged = deep_merge(merged, part)
        return deep_merge(merged, own)

    def _in_file(self, error: YamlError, file: SourceFile) -> YamlError:
        if not file.included_from:
            return error
        return YamlError(
            f"{_no_map(file)} {error.message}",
            span=error.span,
            hint=error.hint,
            included_from=file.included_from,
        )

    def _included(self, node: Node, file: SourceFile) -> Iterator[Mapping]:
        for wanted in self._wanted(node, file):
            self._count += 1
            if self._count > MAX_INCLUDES:
                # Said once: what follows would only repeat it.
                if self._count == MAX_INCLUDES + 1:
                    self._error(
                        f"Maximum of {MAX_INCLUDES} nested includes are allowed!",
                        wanted.span,
                        hint=_circle(wanted.name, file),
                    )
                return
            read = self._fetch(wanted, file)
            if read is None:
                continue
            before = len(self.problems.errors)
            content = self.read(read, wanted.inputs, given_at=wanted.inputs_span)
            if content is not None and content.entries:
                yield content
            elif len(self.problems.errors) == before:
                self._error(_no_map(read), wanted.span, hint="nothing is in it")

    def _fetch(self, wanted: _Wanted, file: SourceFile) -> SourceFile | None:
        if wanted.checked and not _YAML_NAME.fullmatch(wanted.name.rpartition("/")[2]):
            self._error(
                f"Included file `{wanted.name}` does not have YAML extension!",
                wanted.span,
                hint="name a file that ends with .yml or .yaml",
            )
            return None
        try:
            read = wanted.read()
        except ReadError as error:
            self._error(str(error), wanted.span, hint=error.hint)
            return None
        return replace(
            read,
            name=self._masked(read.name),
            included_from=(wanted.span, *file.included_from),
        )

    def _wanted(
        self, node: Node, file: SourceFile, kinds: tuple[str, ...] = ()
    ) -> Iterator[_Wanted]:
        """Yield the files that a list names, of some ``kinds`` or of all."""
        for item in node.items if isinstance(node, Sequence) else (node,):
            if isinstance(item, Scalar) and item.value is None:
                continue
            if kinds and not (
                isinstance(item, Mapping) and item.entries.keys() & kinds
            ):
                names = ", ".join(f"`{kind}`" for kind in kinds)
                message = f"header:spec:include must use one of: {names}"
                self._error(message, item.span)
                continue
            if contains_reference(item):
                message = "include config can't contain `!reference`"
                self._error(message, item.span, hint="includes are read before it")
            elif isinstance(item, Scalar) and isinstance(item.value, str):
                if self._expand(item.value, file).strip():
                    yield from self._from_text(item, file)
                else:
                    self._refuse_kind(item)
            elif isinstance(item, Mapping):
                yield from self._from_map(item, file)
            else:
                shown = _shown(item)
                self._error(f"Included file `{shown}` needs to be a string", item.span)

    def _from_text(self, item: Scalar, file: SourceFile) -> Iterator[_Wanted]:
        text = self._expand(str(item.value), file)
        given = _Given(span=item.span)
        if _URL.match(text):
            yield self._remote(text, None, given)
        else:
            yield from self._local(text, given, file)

    def _from_map(self, item: Mapping, file: SourceFile) -> Iterator[_Wanted]:
        kinds = [key for key in _KINDS if key in item.entries]
        unknown = [
            key for key in item.entries if key not in _KINDS and key not in _OTHER_KEYS
        ]
        if len(kinds) > 1:
            self._error(
                f"Each include must use only one of: {_ASKED}",
                item.entries[kinds[1]].span,
            )
            return
        if not kinds or kinds == ["artifact"]:
            hint = did_you_mean(str(unknown[0]), _KINDS) if unknown else None
            self._refuse_kind(item, hint=hint)
            return
        for key in unknown:
            self._error(
                f"include config contains unknown keys: {key}",
                item.entries[key].span,
                hint=did_you_mean(str(key), (*_KINDS, *_OTHER_KEYS)),
            )
        given = self._given(item, kinds[0])
        if given is not None and self._rules_allow(item, file):
            yield from self._of_kind(kinds[0], item, given, file)

    def _refuse_kind(self, item: Node, *, hint: str | None = None) -> None:
        """Report an include that names no file of any kind."""
        self._error(
            f"`{_shown(item)}` does not have a valid subkey for include."
            f" Valid subkeys are: {_ASKED}",
            item.span,
            hint=hint,
        )

    def _given(self, item: Mapping, kind: str) -> _Given | None:
        """Return the inputs of an include, or None where they are wrong."""
        value = item.get(kind)
        span = item.span if value is None else value.span
        inputs = item.get("inputs")
        if inputs is None or (isinstance(inputs, Scalar) and inputs.value is None):
            return _Given(span=span)
        if not isinstance(inputs, Mapping):
            message = "include:inputs config should be a hash"
            self._error(message, inputs.span)
            return None
        return _Given(
            span=span,
            inputs=plain_mapping(inputs),
            inputs_span=item.entries["inputs"].span,
        )

    def _of_kind(
        self, kind: str, item: Mapping, given: _Given, file: SourceFile
    ) -> Iterator[_Wanted]:
        value = item.get(kind)
        text = value.value if isinstance(value, Scalar) else None
        if value is None or (isinstance(value, Scalar) and text is None):
            self._refuse_kind(item, hint=f"`{kind}` is empty")
            return
        if not isinstance(text, str):
            message = f"Included file `{_shown(value)}` needs to be a string"
            self._error(message, given.span)
            return
        text = self._expand(text, file)
        if not text.strip():
            self._refuse_kind(item, hint=f"`{kind}` is empty")
            return
        reader = self.context.reader
        match kind:
            case "local":
                yield from self._local(text, given, file)
            case "project":
                yield from self._project(text, item, given, file)
            case "remote":
                yield self._remote(text, _text(item.get("integrity")), given)
            case "template":
                if not text.endswith(_TEMPLATE_SUFFIX):
                    message = f"Template file `{text}` is not a valid location!"
                    hint = f"templates end with {_TEMPLATE_SUFFIX}"
                    self._error(message, given.span, hint=hint)
                    return
                yield given.want(text, partial(reader.template, text), checked=False)
            case _:
                yield given.want(text, partial(reader.component, text), checked=False)

    def _local(self, text: str, given: _Given, file: SourceFile) -> Iterator[_Wanted]:
        path = text.lstrip("/")
        if _URL.match(file.name):
            # A remote file belongs to no project, least of all to that of its reader.
            self._error(f"Local file `{path}` does not have project!", given.span)
            return
        origin, reader = file.origin, self.context.reader
        if "*" not in path:
            yield given.want(path, partial(reader.local, path, origin))
            return
        try:
            found = reader.local_matches(path, origin)
        except ReadError as error:
            self._error(str(error), given.span, hint=error.hint)
            return
        for match in found:
            if _YAML_NAME.fullmatch(match.rpartition("/")[2]):
                yield given.want(match, partial(reader.local, match, origin))

    def _project(
        self, project: str, item: Mapping, given: _Given, file: SourceFile
    ) -> Iterator[_Wanted]:
        written = item.get("file")
        names = written.items if isinstance(written, Sequence) else (written,)
        ref = _text(item.get("ref"))
        ref = None if ref is None else self._expand(ref, file)
        reader = self.context.reader
        for node in names:
            if node is None or not plain(node):
                message = "must specify the file where to fetch the config from"
                self._refuse_kind(item, hint=f"include config {message}")
                continue
            name = _text(node)
            if name is None:
                message = f"Included file `{_shown(node)}` needs to be a string"
                self._error(message, node.span)
                continue
            path = self._expand(name, file).lstrip("/")
            at = replace(given, span=node.span)
            yield at.want(path, partial(reader.project, project, path, ref))

    def _remote(self, url: str, integrity: str | None, given: _Given) -> _Wanted:
        reader = self.context.reader
        return given.want(url, partial(reader.remote, url, integrity))

    def _rules_allow(self, item: Mapping, file: SourceFile) -> bool:
        node = item.get("rules")
        if node is None:
            return True
        before = len(self.problems.errors)
        rules = decode_rules(
            node, "include:rules", self.problems, allowed=RulesOf.INCLUDE
        )
        if rules is None or len(self.problems.errors) > before:
            return rules is None and len(self.problems.errors) == before
        origin = file.origin
        scope = RuleScope.of(
            self._variables,
            self._files,
            expanded=self._expanded,
            project=origin.project,
            ref=origin.ref,
        )
        try:
            return match_rules(rules, scope).passes
        except RuleError as error:
            self._error(f"include:{error.message}", node.span)
            return False

    def _repeated(self, key: Scalar) -> None:
        # GitLab takes the last in silence. Nobody means that, least of all for jobs.
        self.problems.warn(
            f'"{key.value}" is written twice in the same map; the last one counts',
            key.span,
        )

    def _shared_inputs(self, node: Node, file: SourceFile) -> Mapping | None:
        """Return the inputs of the files that ``spec:include`` names, merged."""
        merged: Mapping | None = None
        for wanted in self._wanted(node, file, kinds=_SHARED_KINDS):
            read = self._fetch(wanted, file)
            if read is None:
                continue
            try:
                documents = parse(read)
            except YamlError as error:
                self.problems.errors.append(self._in_file(error, read))
                continue
            inputs = self._only_inputs(documents[0] if documents else None, wanted)
            if inputs is None:
                continue
            if merged is not None:
                self._refuse_duplicates(merged, inputs)
            merged = inputs if merged is None else deep_merge(merged, inputs)
        return merged

    def _only_inputs(self, shared: Node | None, wanted: _Wanted) -> Mapping | None:
        """Return the inputs of a file that ``spec:include`` names: all it has."""
        place = f"Header include file `{wanted.name}`"
        inputs = shared.get("inputs") if isinstance(shared, Mapping) else None
        if not isinstance(shared, Mapping) or not isinstance(inputs, Mapping):
            self._error(
                f"{place} does not have inputs",
                wanted.span,
                hint="a file of spec:include has one key, inputs",
            )
            return None
        unknown = [entry for key, entry in shared.entries.items() if key != "inputs"]
        if unknown:
            names = ", ".join(f":{entry.key}" for entry in unknown)
            self._error(f"{place} contains unknown keys: [{names}]", unknown[0].span)
            return None
        return inputs

    def _refuse_duplicates(self, first: Mapping, second: Mapping) -> None:
        both = [entry for key, entry in second.entries.items() if key in first.entries]
        if both:
            names = ", ".join(str(entry.key) for entry in both)
            self._error(
                f"Duplicate input keys found: {names}. Input keys must be unique across"
                " all included files and inline specifications.",
                both[0].span,
            )

    def _expand(self, text: str, file: SourceFile) -> str:
        """Replace variables; a remote file's own includes know none."""
        if "$" not in text and "%" not in text:
            return text
        variables = {} if _URL.match(file.name) else self._expanded
        return expand(text, variables, keep_undefined=False)

    def _masked(self, text: str) -> str:
        """Return a text without the values of masked variables that were expanded."""
        for secret in self._secrets:
            text = text.replace(secret, "[MASKED]")
        return text

    def _error(self, message: str, span: Span, *, hint: str | None = None) -> None:
        message = self._masked(message)
        self.problems.error(message, span, hint=hint, kind=IncludeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What an include entry says besides the file."""

    span: Span
    inputs: MappingType[str, Any] = field(default_factory=dict)
    inputs_span: Span | None = None

    def want(
        self, name: str, read: Callable[[], SourceFile], *, checked: bool = True
    ) -> _Wanted:
        return _Wanted(
            name=name,
            read=read,
            inputs=self.inputs,
            span=self.span,
            inputs_span=self.inputs_span or self.span,
            checked=checked,
        )


def _no_map(file: SourceFile) -> str:
    return f"Included file `{file.name}` does not have valid YAML syntax!"


def _text(node: Node | None) -> str | None:
    value = node.value if isinstance(node, Scalar) else None
    return value if isinstance(value, str) else None


def _shown(node: Node) -> str:
    return json.dumps(
        plain(node), ensure_ascii=False, default=str, separators=(",", ":")
    )


def _circle(name: str, file: SourceFile) -> str:
    """Return a hint that names the circle which a file is in, if it is in one."""
    chain = [file.name, *(span.file.name for span in file.included_from)]
    if name not in chain:
        return "files that are included twice count twice"
    circle = chain[chain.index(name) :: -1]
    return "a circle of includes: " + " → ".join((*circle, name))
