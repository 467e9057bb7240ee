"""Google Cloud: specifications of services and jobs, their submission, and the entry point of a training job."""
