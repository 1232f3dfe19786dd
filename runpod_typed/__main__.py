"""``python -m runpod_typed``: the command line."""

from runpod_typed._cli import main

if __name__ == "__main__":
    main()
