"""Tables of answers for archives: the options of ``flower-infer``, and how a run is started."""
