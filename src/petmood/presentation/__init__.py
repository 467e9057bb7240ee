"""Templates, thumbnails and styles shared by reports and pages."""
