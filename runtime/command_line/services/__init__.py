"""The services of ``flower-infer``: their options, and how they are started."""
