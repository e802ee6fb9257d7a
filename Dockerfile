# yolo-bac: YOLOv5 object detection as a batch job. CUDA and cuDNN come with the locked PyTorch wheels; the CPU variant
# computes with ONNX Runtime and has no PyTorch.
#
#   scripts/image-build            builds it; scripts/image-smoke runs it and checks what comes out
#   --build-arg VARIANT=           cuda12.8 (default), cuda13.0 or cpu
#   --build-arg BASE_IMAGE=        Debian 13 or Ubuntu 24.04, also nvidia/cuda:12.8.1-base-ubuntu24.04
#   --build-arg BAKE_WEIGHTS=      leaves yolov5s.pt out: no download, and the image wants weights under /inputs
#
# Two optional build secrets, for networks that need them: pip_conf (a pip.conf) and ca_bundle (PEM).

ARG BASE_IMAGE=debian:13-slim@sha256:d7e12182ce18b85b93007c1dedf31f2d29e01ccf3182cc4017c709b6259bc132

FROM ${BASE_IMAGE} AS build
ENV DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils ca-certificates python3 python3-pip python3-venv \
 && rm -rf /var/lib/apt/lists/*
ARG VARIANT=cuda12.8
COPY requirements.txt image/requirements-*.txt image/install image/licences.py image/trim image/layers.py /build/
# In one step, within which files move to their layers without being copied. Bytecode is checked by source hash once and
# for all: importing is 3 s instead of 8, and no uid needs to write. One process compiles all, and its hashes are the
# same each time, or equal sources would give byte code that differs in how it refers to itself; no other process leaves
# any, for that would hold the moment at which a wheel was unpacked.
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca_bundle,target=/run/secrets/ca_bundle \
    python3 -m venv --without-pip /opt/yolo-bac/venv \
 && sh /build/install "${VARIANT}" /opt/yolo-bac/venv \
 && /opt/yolo-bac/venv/bin/python /build/licences.py /opt/yolo-bac/licences \
 && sh /build/trim "${VARIANT}" /opt/yolo-bac/venv/lib/python3*/site-packages \
 && PYTHONHASHSEED=0 /opt/yolo-bac/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash \
      /opt/yolo-bac/venv/lib \
 && python3 /build/layers.py /layers /opt/yolo-bac/venv /opt/yolo-bac/licences

# What the base image lacks, as files of its own with the times of 1970: the same packages give the same layer.
FROM ${BASE_IMAGE} AS system
ENV DEBIAN_FRONTEND=noninteractive
COPY image/changed /build/
RUN touch /begun \
 && apt-get update \
 && apt-get install -y --no-install-recommends libgomp1 python3 tini \
 && sh /build/changed /begun /system

FROM ${BASE_IMAGE} AS weights
ARG BAKE_WEIGHTS=https://github.com/ultralytics/yolov5/releases/download/v6.2/yolov5s.pt
ARG WEIGHTS_SHA256=8b3b748c1e592ddd8868022e8732fde20025197328490623cc16c6f24d0782ee
RUN mkdir -p /opt/yolo-bac/weights \
 && if [ -n "${BAKE_WEIGHTS}" ]; then \
      apt-get update && apt-get install -y --no-install-recommends ca-certificates curl \
      && rm -rf /var/lib/apt/lists/* \
      && curl --fail --location --retry 3 --output /opt/yolo-bac/weights/yolov5s.pt "${BAKE_WEIGHTS}" \
      && echo "${WEIGHTS_SHA256}  /opt/yolo-bac/weights/yolov5s.pt" > /tmp/expected \
      && sha256sum --check /tmp/expected; \
    fi

# What changes seldom comes first, for a node pulls anew all that lies above a change.
FROM ${BASE_IMAGE}
COPY --from=build /layers/cuda-1/ /
COPY --from=build /layers/cuda-2/ /
COPY --from=build /layers/cuda-3/ /
COPY --from=build /layers/torch/ /
COPY --from=system /system/ /
COPY --from=build /layers/packages/ /
COPY --from=weights /opt/yolo-bac/weights /opt/yolo-bac/weights

# TORCHINDUCTOR_CACHE_DIR: torch asks for the user's name to place it, and an arbitrary uid has none.
ENV PATH=/opt/yolo-bac/bin:/opt/yolo-bac/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    TORCHINDUCTOR_CACHE_DIR=/tmp/torchinductor \
    YOLO_CONFIG_DIR=/opt/yolo-bac/config \
    YOLO_OFFLINE=true \
    YOLO_AUTOINSTALL=false \
    YOLO_VERBOSE=false
# What the ultralytics package would write at its first import, with everything off that calls home.
ARG VARIANT=cuda12.8
COPY image/ultralytics_settings.py /opt/yolo-bac/config/
RUN [ "${VARIANT}" = cpu ] || python /opt/yolo-bac/config/ultralytics_settings.py

COPY LICENSE /opt/yolo-bac/
COPY --chmod=755 image/start image/yolo-bac /opt/yolo-bac/bin/
COPY image/detect.py /opt/yolo-bac/app/detect.py
COPY entrypoint /opt/yolo-bac/app/entrypoint
# What runs is /opt/yolo-bac/app, importable from anywhere; the working directory has what the old tutorial expects.
WORKDIR /opt/yolo-bac/app
RUN python -m compileall -q --invalidation-mode unchecked-hash . \
 && mkdir data \
 && ln -s "$(echo /opt/yolo-bac/venv/lib/python3*/site-packages/ultralytics/assets)" data/images \
 && echo "${PWD}" > "$(echo /opt/yolo-bac/venv/lib/python3*/site-packages)/yolo-bac.pth"

ARG BASE_IMAGE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="yolo-bac" \
      org.opencontainers.image.description="YOLOv5 object detection as a batch job (${VARIANT})" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="https://github.com/myorg/yolo-bac" \
      org.opencontainers.image.licenses="AGPL-3.0-only" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      yolo-bac.variant="${VARIANT}"
ENTRYPOINT ["/usr/bin/tini", "--", "start"]
