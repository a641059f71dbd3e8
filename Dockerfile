# The TazPod image, and what other images take from it: COPY --from=tazpod:dev /dist/ /
#
# BASE may be any Debian or Ubuntu with glibc 2.35 or later. Where no registry can be reached, `npm run image` makes
# the Debian ones under the names used here. A CA bundle for the build's downloads may be passed as the secret "ca".

ARG BUILD_BASE=debian:bookworm-slim
ARG BASE=debian:bookworm-slim

FROM ${BUILD_BASE} AS build
# Debian's own npm and Node only start things off: `npm ci` brings the Node that the lock file pins.
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean \
    && apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
       binutils ca-certificates gcc libatomic1 libc6-dev libstdc++6 npm patchelf
WORKDIR /build
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm \
    --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi \
    && npm ci --no-audit --no-fund --loglevel=error
COPY build build
COPY lib lib
COPY entrypoint entrypoint
COPY cli cli
COPY launcher launcher
# Libraries: the system's own where it has them, which fit its glibc; else those shipped beside the executable.
# (Debian's libstdc++ wants glibc 2.36. Ubuntu 22.04 has 2.35, with a libstdc++ of its own, but no libatomic.)
RUN npm run build -- --rpath "/usr/lib/$(uname -m)-linux-gnu:/usr/lib64:\$ORIGIN/../lib/tazpod" \
    && mkdir -p /out/dist/usr/local/bin /out/dist/usr/local/lib/tazpod /out/dist/run/tazpod \
    && cp -P dist/tazpod-entrypoint dist/tazpod /out/dist/usr/local/bin/ \
    # Manual pages, and completions for bash, zsh and fish.
    && cp -R dist/share /out/dist/usr/ \
    && cp -L $(ldd dist/tazpod | awk '$1 ~ /^lib(atomic|stdc\+\+|gcc_s)\./ { print $3 }') \
       /out/dist/usr/local/lib/tazpod/ \
    # In place in this image as well, as hard links: one copy on disk.
    && cp -al /out/dist/. /out/

FROM ${BASE}
# Newer Ubuntu images have an account of their own at uid 1000; the operator takes its place.
RUN if account=$(id -un 1000 2>/dev/null); then userdel --remove "$account" 2>/dev/null; fi \
    && groupadd --gid 1000 tazpod \
    && useradd --uid 1000 --gid tazpod --create-home --shell /bin/bash tazpod \
    # The operator's, so that a named volume that is mounted there is the operator's from the start.
    && install -d -o tazpod -g tazpod /workspace /workspace/.tazpod \
    # What is mounted on, for where the root file system is read-only. Nothing is written to the enclave's while it is locked.
    && install -d -m 0555 /home/tazpod/secrets \
    && install -d -o tazpod -g tazpod -m 0700 /home/tazpod/.aws
COPY --from=build /out/ /

LABEL org.opencontainers.image.title="tazpod" \
      org.opencontainers.image.description="Developer container whose secrets are readable only while unlocked, and only in RAM" \
      org.opencontainers.image.licenses="MIT"

WORKDIR /workspace
# PID 1 mounts, so it starts as root; the command runs as the operator.
USER root
# What PID 1 takes as the request to save, lock and end. Not SIGHUP or SIGQUIT: those may mean "reload" to the command.
STOPSIGNAL SIGTERM
# Healthy as long as PID 1 answers, locked or not. Quiet: it looks at nothing, and leaves nothing in `docker inspect`.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/usr/local/bin/tazpod", "status", "--quiet"]
# Exec form: a shell in front would be PID 1 in its place and swallow the signals.
ENTRYPOINT ["/usr/local/bin/tazpod-entrypoint"]
CMD ["bash", "-l"]
