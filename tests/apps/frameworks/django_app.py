"""common.py's contract in Django, as `app` (ASGI) and `wsgi`; it knows no lifespan."""

from __future__ import annotations

import json
from typing import Any

import common
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import path
from django.views.decorators.http import require_POST

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    SECRET_KEY="only for tests",
)


async def index(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello", content_type="text/plain")


async def greet(request: HttpRequest, name: str) -> HttpResponse:
    return JsonResponse({"name": name, "times": int(request.GET["times"])})


async def add(request: HttpRequest) -> HttpResponse:
    data = json.loads(request.body)
    return JsonResponse({"sum": sum(data["numbers"]), "text": data["text"]})


def form(request: HttpRequest) -> HttpResponse:
    fields = request.POST
    return JsonResponse({"name": fields["name"], "tags": fields.getlist("tag")})


def upload(request: HttpRequest) -> HttpResponse:
    file = request.FILES["file"]
    about = common.about_upload(request.POST["title"], file.name, file.read())
    return JsonResponse(about)


def digest(request: HttpRequest) -> HttpResponse:
    body = common.Digest()
    while part := request.read(65536):
        body.add(part)
    return JsonResponse(body.result)


def download(request: HttpRequest) -> HttpResponse:
    file = common.DOWNLOAD.open("rb")
    return FileResponse(file, as_attachment=True, filename="file.bin")


def streaming(request: HttpRequest, parts: Any, sync_parts: Any) -> HttpResponse:
    is_async = isinstance(request, ASGIRequest)
    return StreamingHttpResponse(parts if is_async else sync_parts)


async def stream(request: HttpRequest) -> HttpResponse:
    count = int(request.GET["count"])
    return streaming(request, common.numbers(count), common.sync_numbers(count))


async def endless(request: HttpRequest) -> HttpResponse:
    return StreamingHttpResponse(common.ticks())


async def fails(request: HttpRequest) -> HttpResponse:
    common.fail()
    return HttpResponse()


async def breaks(request: HttpRequest) -> HttpResponse:
    return streaming(request, common.broken(), common.sync_broken())


async def teapot(request: HttpRequest) -> HttpResponse:
    return HttpResponse(common.SHORT_AND_STOUT, status=common.TEAPOT)


async def cookies(request: HttpRequest) -> HttpResponse:
    response = HttpResponse()
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


async def redirect(request: HttpRequest) -> HttpResponse:
    response = HttpResponseRedirect(common.WHERE_TO)
    response.status_code = common.SEE_OTHER
    return response


async def peer(request: HttpRequest) -> HttpResponse:
    client = request.META["REMOTE_ADDR"]
    return JsonResponse({"scheme": request.scheme, "client": client})


async def after(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("accepted", status=common.ACCEPTED)
    response._resource_closers.append(common.sync_work)
    return response


POSTS = [form, upload, digest, after]
GETS = [download, stream, endless, fails, breaks, teapot, cookies, redirect, peer]
urlpatterns = [
    path("", index),
    path("greet/<name>", greet),
    path("json", require_POST(add)),
    *(path(view.__name__, require_POST(view)) for view in POSTS),
    *(path(view.__name__, view) for view in GETS),
]
app = get_asgi_application()
wsgi = get_wsgi_application()
