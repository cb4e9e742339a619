"""Parts in a package of their own: one of each kind, and each as small as its contract allows."""
