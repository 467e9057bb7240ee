"""Streamlit page that calls the service over HTTP."""
