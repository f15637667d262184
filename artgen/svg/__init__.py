"""Reading and writing SVG."""
