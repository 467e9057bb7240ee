# An image of petmood with a bundle in it: the folder of the bundle is the build context.
#   docker build --file docker/with-bundle.Dockerfile --build-arg IMAGE=petmood-serve:0.1.0 --tag pets:1 bundles/pets
ARG IMAGE=petmood-serve:0.1.0
FROM ${IMAGE}
COPY . /bundle
