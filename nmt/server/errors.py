"""What a client is told when it does not get what it asked for: a status and one sentence, as JSON."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse


class Refused(Exception):
    """A request that is not answered as asked: a status, and what was expected.

    wait: seconds after which the same request may be answered. close: the connection ends, because the rest
    of the request is not read.
    """

    def __init__(self, status: int, message: str, *, wait: int | None = None, close: bool = False) -> None:
        super().__init__(message)
        self.status, self.message, self.wait, self.close = status, message, wait, close

    def response(self) -> JSONResponse:
        """Return the answer."""
        headers = {"Retry-After": str(self.wait)} if self.wait is not None else {}
        if self.close:
            headers["Connection"] = "close"
        return JSONResponse({"error": self.message}, self.status, headers)


async def answer_refused(_: Request, error: Exception) -> JSONResponse:
    """Return the answer to a refused request."""
    assert isinstance(error, Refused)
    return error.response()


async def answer_http(request: Request, error: Exception) -> JSONResponse:
    """Return the answer where no route is meant."""
    assert isinstance(error, HTTPException)
    what = {404: "there is no such address here; see docs", 405: f"{request.method} is not what it answers"}
    message = what.get(error.status_code, error.detail)
    return JSONResponse({"error": message}, error.status_code, error.headers)


async def answer_failure(_: Request, __: Exception) -> JSONResponse:
    """Return the answer to a request at which the server failed; the log has the reason."""
    return JSONResponse({"error": "the server failed at this request; its log says why"}, 500)
