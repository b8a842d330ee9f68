/** Whoever stands in the line; only the line writes the links. */
export interface LinePlace<Place> {
  ahead: Place | undefined;
  behind: Place | undefined;
}

/** First in, first out, linked through those who wait: a client that goes away leaves the middle of a long line in O(1). */
export class WaitingLine<Place extends LinePlace<Place>> {
  #length = 0;
  #first: Place | undefined;
  #last: Place | undefined;

  get length(): number {
    return this.#length;
  }

  push(place: Place): void {
    place.ahead = this.#last;
    if (this.#last === undefined) this.#first = place;
    else this.#last.behind = place;
    this.#last = place;
    this.#length++;
  }

  shift(): Place | undefined {
    const first = this.#first;
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** Takes out whoever stands in it, wherever he does. */
  remove(place: Place): void {
    const { ahead, behind } = place;
    if (ahead === undefined) this.#first = behind;
    else ahead.behind = behind;
    if (behind === undefined) this.#last = ahead;
    else behind.ahead = ahead;
    place.ahead = undefined;
    place.behind = undefined;
    this.#length--;
  }
}
