"""What checks a crate without a network: roc-validator, with the contexts that it would fetch."""

import io
import json
from pathlib import Path

import requests
import requests_cache
import rocrate.vocabs
import urllib3
from rocrate_validator import models, services

BIOSCHEMAS = "https://bioschemas.org/"
TERMS = "https://w3id.org/ro/terms/workflow-run"
# RO-Crate 1.1's own words for what 1.3, which the library `rocrate` brings, calls otherwise. All
# else that a crate of ours says is called the same in both.
RENAMED = {
    "ComputationalWorkflow": f"{BIOSCHEMAS}ComputationalWorkflow",
    "FormalParameter": f"{BIOSCHEMAS}FormalParameter",
    "input": f"{BIOSCHEMAS}ComputationalWorkflow#input",
    "output": f"{BIOSCHEMAS}ComputationalWorkflow#output",
}
CONTEXTS = {
    "https://w3id.org/ro/crate/1.1/context": {**rocrate.vocabs.RO_CRATE["@context"], **RENAMED},
    f"{TERMS}/context": {name: f"{TERMS}#{name}" for name in ("resourceUsage", "sha256")},
}


class Shelf(requests.adapters.HTTPAdapter):
    """Answers for the servers of the contexts."""

    def send(self, request, **_):
        body = io.BytesIO(json.dumps({"@context": CONTEXTS[request.url]}).encode())
        headers = {"Content-Type": "application/ld+json"}
        answer = urllib3.HTTPResponse(body, headers, status=200, preload_content=False)
        return self.build_response(request, answer)


def fill_cache(cache: Path) -> None:
    """Put the contexts where the validator looks for what it fetched before."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    with requests_cache.CachedSession(str(cache)) as session:
        session.mount("https://", Shelf())
        for url in CONTEXTS:
            session.get(url)


def problems(crate: Path, cache: Path) -> list[str]:
    """What of a crate is not as its profile requires."""
    fill_cache(cache)
    settings = services.ValidationSettings(
        rocrate_uri=str(crate),
        profile_identifier="provenance-run-crate",
        requirement_severity=models.Severity.REQUIRED,
        offline=True,
        cache_path=cache,
    )
    return [str(issue.message) for issue in services.validate(settings).get_issues()]
