# yolo-bac: YOLOv5 object detection as a batch job. CUDA 12.8 and cuDNN come with the locked PyTorch wheels.
#
#   scripts/image-build            builds it; scripts/image-smoke runs it and checks what comes out
#   --build-arg BAKE_WEIGHTS=      leaves yolov5s.pt out: no download, and the image wants weights under /inputs
#
# Two optional build secrets, for networks that need them: pip_conf (a pip.conf) and ca_bundle (PEM).

ARG BASE_IMAGE=debian:13-slim

FROM ${BASE_IMAGE} AS build
ENV DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 python3-pip python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv --without-pip /opt/yolo-bac/venv
COPY requirements.txt /build/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca_bundle,target=/run/secrets/ca_bundle \
    python3 -m pip --python /opt/yolo-bac/venv/bin/python install \
      --require-hashes --no-deps --only-binary=:all: --no-compile -r /build/requirements.txt
COPY image/trim /build/
RUN sh /build/trim /opt/yolo-bac/venv/lib/python3*/site-packages
# Checked by source hash once and for all: importing is 3 s instead of 8, and no uid needs to write.
RUN /opt/yolo-bac/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
      /opt/yolo-bac/venv/lib || true

FROM ${BASE_IMAGE} AS weights
ARG BAKE_WEIGHTS=https://github.com/ultralytics/yolov5/releases/download/v6.2/yolov5s.pt
ARG WEIGHTS_SHA256=8b3b748c1e592ddd8868022e8732fde20025197328490623cc16c6f24d0782ee
RUN mkdir -p /opt/yolo-bac/weights \
 && if [ -n "${BAKE_WEIGHTS}" ]; then \
      apt-get update && apt-get install -y --no-install-recommends ca-certificates curl \
      && curl --fail --location --retry 3 --output /opt/yolo-bac/weights/yolov5s.pt "${BAKE_WEIGHTS}" \
      && echo "${WEIGHTS_SHA256}  /opt/yolo-bac/weights/yolov5s.pt" | sha256sum --check; \
    fi

FROM ${BASE_IMAGE}
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgomp1 python3 tini \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/yolo-bac/venv /opt/yolo-bac/venv
COPY --from=weights /opt/yolo-bac/weights /opt/yolo-bac/weights
COPY image/start image/yolo-bac /opt/yolo-bac/bin/
COPY image/detect.py /opt/yolo-bac/app/detect.py
COPY LICENSE /opt/yolo-bac/
COPY entrypoint /opt/yolo-bac/app/entrypoint
RUN /opt/yolo-bac/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/yolo-bac/app \
 && chmod 755 /opt/yolo-bac/bin/start /opt/yolo-bac/bin/yolo-bac \
 && mkdir -p /opt/yolo-bac/app/data \
 && ln -s "$(echo /opt/yolo-bac/venv/lib/python3*/site-packages/ultralytics/assets)" /opt/yolo-bac/app/data/images
# What runs is /opt/yolo-bac/app, importable from anywhere; the working directory has what the old tutorial expects.
RUN echo /opt/yolo-bac/app > "$(echo /opt/yolo-bac/venv/lib/python3*/site-packages)/yolo-bac.pth"

# TORCHINDUCTOR_CACHE_DIR: torch asks for the user's name to place it, and an arbitrary uid has none.
ENV PATH=/opt/yolo-bac/bin:/opt/yolo-bac/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    TORCHINDUCTOR_CACHE_DIR=/tmp/torchinductor \
    YOLO_OFFLINE=true \
    YOLO_AUTOINSTALL=false \
    YOLO_VERBOSE=false

ARG BASE_IMAGE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="yolo-bac" \
      org.opencontainers.image.description="YOLOv5 object detection as a batch job" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="https://github.com/myorg/yolo-bac" \
      org.opencontainers.image.licenses="AGPL-3.0-only" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
WORKDIR /opt/yolo-bac/app
ENTRYPOINT ["/usr/bin/tini", "--", "start"]
